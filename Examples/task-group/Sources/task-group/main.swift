import CoteEngine
import CoteModel

/// Several sandboxes side by side: each gets a file, runs a command whose output is shown as it comes, and is removed.
let engine = try Engine()

try await withThrowingTaskGroup(of: (String, Int32).self) { group in
    for name in ["ash", "birch", "cedar"] {
        group.addTask {
            let sandbox = try await engine.create(SandboxRequest(environment: "host", labels: ["example": name]))
            let result = try await count(in: sandbox, as: name)
            try await sandbox.remove()
            return (name, result.exitCode)
        }
    }
    for try await (name, code) in group { print("\(name) ended with \(code)") }
}

/// Puts a script into the sandbox and runs it.
func count(in sandbox: Sandbox, as name: String) async throws -> CommandResult {
    let script = "for i in 1 2 3; do echo $1 counts $i; sleep 0.2; done\n"
    try await sandbox.files.write("/workspace/count.sh", Array(script.utf8))
    let execution = try sandbox.start(Command(["sh", "count.sh", name]))
    while let chunk = await execution.nextOutput() {
        print("[\(name)]", String(decoding: chunk.bytes, as: UTF8.self), terminator: "")
    }
    return try await execution.wait()
}
