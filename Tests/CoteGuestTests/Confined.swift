import CLinux
import CoteSystem
import Glibc
import Testing

@testable import CoteGuest

/// A thread that can give up privileges: no other thread of the tests is affected, what it spawns is.
enum OwnThread {
    static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
        let work = Work { try body() }
        var thread = pthread_t()
        let start: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { raw in
            if let raw { Unmanaged<Work>.fromOpaque(raw).takeRetainedValue().perform() }
            return nil
        }
        try #require(pthread_create(&thread, nil, start, Unmanaged.passRetained(work).toOpaque()) == 0)
        pthread_join(thread, nil)
        return try #require(try work.result?.get() as? Value)
    }

    private final class Work {
        private let body: () throws -> any Sendable
        private(set) var result: Result<any Sendable, any Error>?

        init(_ body: @escaping () throws -> any Sendable) { self.body = body }
        func perform() { result = Result { try body() } }
    }
}

/// A program under the commands' filter.
struct Confined: Sendable {
    let status: CoteSystem.ExitStatus
    /// What it wrote to its standard output and error.
    let output: String

    /// - Parameter change: sets what else the program is to be started with.
    static func run(
        _ arguments: [String], directory: String? = nil,
        change: @escaping @Sendable (inout SpawnRequest) -> Void = { _ in }
    ) throws -> Confined {
        try OwnThread.run {
            let noNewPrivileges: CInt = 38
            try #require(cl_prctl(noNewPrivileges, 1, 0, 0, 0) == 0)
            Processes.dropBoundingSet()
            try SystemCallPolicy.filter.install()
            return try spawn(arguments, directory: directory, change)
        }
    }

    private static func spawn(
        _ arguments: [String], directory: String?, _ change: (inout SpawnRequest) -> Void
    ) throws -> Confined {
        let environment = ["PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=\(directory ?? "/tmp")"]
        var request = SpawnRequest("/usr/bin/env", ["env"] + arguments, environment: environment)
        let null = try Descriptor.open("/dev/null", O_RDWR)
        var pipe = try Descriptor.pipe()
        let reader = pipe.takeFirst()
        let writer = SharedDescriptor(pipe.takeSecond())
        request.descriptors = [null.raw, writer.descriptor.raw, writer.descriptor.raw]
        request.directory = directory
        change(&request)
        // Then nobody but the program holds the writing end, so that its end is the end of the pipe.
        let child = try withExtendedLifetime(consume writer) { try request.run() }
        let output = String(decoding: try reader.readAll(limit: 1 << 24), as: UTF8.self)
        return Confined(status: try child.wait(), output: output)
    }
}
