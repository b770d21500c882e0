import CoteModel
import CoteWire

extension OpenRequest {
    /// Refuses what a keeper would take for a broken peer: what cannot be words of a command or a path of any system.
    func check() throws(CoteError) {
        switch self {
        case .transfer(let transfer): try Self.check([transfer.path], "the path")
        case .command(let command):
            guard !command.arguments.isEmpty else { throw CoteError(.usage, "no command: it has at least one word") }
            try Self.check(command.arguments, "the command")
            try Self.check([command.directory, command.user].compactMap(\.self), "the command's directory or user")
            for (name, value) in command.environment {
                guard !name.isEmpty, !name.utf8.contains(UInt8(ascii: "=")) else {
                    throw CoteError(.usage, "'\(name)' cannot be a variable's name")
                }
                try Self.check([name, value], "the environment")
            }
        }
    }

    private static func check(_ texts: [String], _ what: String) throws(CoteError) {
        guard !texts.contains(where: { $0.utf8.contains(0) }) else { throw CoteError(.usage, "a NUL in \(what)") }
    }
}
