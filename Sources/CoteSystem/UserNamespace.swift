import CLinux
import Glibc

/// User namespaces, of which this process is in one: whose ids its ids are.
public enum UserNamespace {
    /// A new user namespace in which the users and groups from `first` on are `count` ids from `base` on out here.
    /// Nobody is in it; it lasts as long as the descriptor, a mount or a process that uses it.
    ///
    /// Its ids are written by way of `/proc`, which must be that of this process's PID namespace.
    /// - Throws: `EPERM` where this process may not give these ids away.
    public static func make(
        first: UInt32 = 0, base: UInt32, count: UInt32
    ) throws(SystemError) -> Descriptor {
        Descriptor(owning: try check("clone") { cl_user_namespace(first, base, count) })
    }

    /// Whether ids here are the machine's own. What cannot be read, in a sealed process, counts as the machine's.
    public static var isInitial: Bool {
        guard let text = try? Files.readText("/proc/self/uid_map", limit: 64 << 10) else { return true }
        return IdentityMap(parsing: text).ranges == [IdentityMap.everything]
    }

    /// Whether `count` user and group ids from `first` on exist here.
    public static func has(_ count: UInt32, from first: UInt32) -> Bool {
        ["uid_map", "gid_map"].allSatisfy { file in
            guard let text = try? Files.readText("/proc/self/\(file)", limit: 64 << 10) else { return false }
            return IdentityMap(parsing: text).covers(count, from: first)
        }
    }

    /// Makes this process root of a user namespace of its own, in which 0 is its own user and group.
    ///
    /// The programs that write the maps must be started from the namespace that is left, so they are started before
    /// and wait. Other groups of the user are given up: the namespace has no name for them.
    /// - Parameters:
    ///   - users: the ids behind 1 and what follows, with the program that may hand them out.
    ///   - groups: the same for groups.
    /// - Throws: `EINVAL` where another thread exists already.
    public static func enter(users: Subordinates, groups: Subordinates) throws(SystemError) {
        let userWriter = try MapWriter(users, own: getuid())
        let groupWriter = try MapWriter(groups, own: getgid())
        // Where this fails the two see the end of their input and leave.
        try Namespaces.leave([.user])
        try userWriter.release()
        try groupWriter.release()
        let said = try userWriter.finish() + groupWriter.finish()
        guard has(min(users.count, groups.count), from: 1) else {
            let text = String(decoding: said, as: UTF8.self).split(separator: "\n").first.map(String.init)
            throw SystemError("write", code: EPERM, subject: text ?? "uid_map and gid_map")
        }
        try check("setgroups") { setgroups(0, nil) }
    }

    /// Ids that a user may use in namespaces of its own, and who says so to the kernel.
    public struct Subordinates: Equatable, Sendable {
        /// `newuidmap` or `newgidmap`.
        public var program: String
        /// The first of them, as the machine counts.
        public var first: UInt32
        /// How many are used.
        public var count: UInt32

        /// Nothing is checked; `program` does that.
        public init(program: String, first: UInt32, count: UInt32) {
            self.program = program
            self.first = first
            self.count = count
        }
    }
}

/// A `uid_map` or `gid_map` of `/proc`: lines of a first id inside, a first id outside, and a count.
struct IdentityMap: Equatable {
    struct Range: Equatable {
        var inside: UInt64
        var outside: UInt64
        var count: UInt64
    }

    /// That of the machine's own namespace.
    static let everything = Range(inside: 0, outside: 0, count: 4_294_967_295)

    private(set) var ranges: [Range] = []

    init(parsing text: String) {
        for line in text.split(separator: "\n") {
            let numbers = line.split(separator: " ").compactMap { UInt64($0) }
            guard numbers.count == 3, numbers.allSatisfy({ $0 <= UInt32.max }) else { continue }
            ranges.append(Range(inside: numbers[0], outside: numbers[1], count: numbers[2]))
        }
    }

    func covers(_ count: UInt32, from first: UInt32) -> Bool {
        var next = UInt64(first)
        let end = next + UInt64(count)
        while next < end {
            guard let range = ranges.first(where: { $0.inside <= next && next < $0.inside + $0.count }) else {
                return false
            }
            next = range.inside + range.count
        }
        return true
    }
}

/// A program that will write one map of this process, once it is told to go on.
private struct MapWriter: ~Copyable {
    private let child: ChildProcess
    private let start: Descriptor
    private let words: Descriptor

    init(_ ids: UserNamespace.Subordinates, own: UInt32) throws(SystemError) {
        let numbers = ["\(getpid())", "0", "\(own)", "1", "1", "\(ids.first)", "\(ids.count)"]
        var request = SpawnRequest("/bin/sh", ["sh", "-c", "read -r go && exec \"$@\"", "sh", ids.program] + numbers)
        var starting = try Descriptor.pipe()
        var telling = try Descriptor.pipe()
        let reader = starting.takeFirst()
        let writer = telling.takeSecond()
        request.descriptors = [reader.raw, writer.raw, writer.raw]
        request.directory = "/"
        do { child = try request.run() } catch { throw SystemError("exec", code: error.code, subject: request.path) }
        start = starting.takeSecond()
        words = telling.takeFirst()
        close(reader.release())
        close(writer.release())
    }

    func release() throws(SystemError) { try start.write(all: [0x0a]) }

    /// Waits; what the program said, which is nothing where it succeeded.
    consuming func finish() throws(SystemError) -> [UInt8] {
        let said = try words.readAll(limit: 4096)
        // Collected already where this program ignores the end of children; the map itself tells more.
        _ = try? child.wait()
        return said
    }
}
