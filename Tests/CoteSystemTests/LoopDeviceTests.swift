import CoteSystem
import Glibc
import Testing

@Suite struct LoopDeviceTests {
    private static let isPossible = geteuid() == 0 && access("/dev/loop-control", R_OK | W_OK) == 0

    private static func withFile(_ body: (String) throws -> Void) throws {
        let path = "/tmp/cote-loop-\(UInt64.random(in: 0 ... .max))"
        try Files.create(path, [])
        defer { try? Files.remove(path) }
        let file = try Descriptor.open(path, O_RDWR)
        try file.truncate(to: 1 << 20)
        try body(path)
    }

    private static func found(_ file: borrowing Descriptor) -> String? {
        if let device = LoopDevice.find(backing: file) { device.path } else { nil }
    }

    private static func opened(_ path: String, _ file: borrowing Descriptor) -> String? {
        if let device = LoopDevice.open(path, ifBacking: file) { device.path } else { nil }
    }

    /// The size of a device, in bytes.
    private static func size(_ device: String) throws -> Int {
        let text = try Files.readText("/sys/block/\(device.dropFirst(5))/size")
        return (Int(text.split(separator: "\n").first ?? "") ?? -1) * 512
    }

    @Test(.enabled(if: isPossible, "needs root"))
    func `a device is found by its file alone, and goes with its last holder`() throws {
        try Self.withFile { path in
            let file = try Descriptor.open(path, O_RDWR)
            do {
                let loop = try LoopDevice.attach(file, readOnly: false)
                let path = loop.path
                let (byName, byFile) = (Self.opened(path, file), Self.found(file))
                #expect(byName == path && byFile == path)
                let other = try Descriptor.open("/dev/null", O_RDONLY)
                let (wrongFile, noLoop) = (Self.opened(path, other), Self.opened("/dev/null", file))
                #expect(wrongFile == nil && noLoop == nil)
            }
            let afterwards = Self.found(file)
            #expect(afterwards == nil)
        }
    }

    @Test(.enabled(if: isPossible, "needs root"))
    func `a device takes over what its file has grown to`() throws {
        try Self.withFile { path in
            let file = try Descriptor.open(path, O_RDWR)
            let loop = try LoopDevice.attach(file, readOnly: false, blockSize: 4096)
            try file.truncate(to: 3 << 20)
            #expect(try Self.size(loop.path) == 1 << 20)
            try loop.updateSize()
            #expect(try Self.size(loop.path) == 3 << 20)
        }
    }

    @Test(.enabled(if: isPossible, "needs root"))
    func `nothing is written through a device that is read-only`() throws {
        try Self.withFile { path in
            let loop = try LoopDevice.attach(try Descriptor.open(path, O_RDONLY), readOnly: true)
            #expect(throws: SystemError.self) {
                try Descriptor.open(loop.path, O_WRONLY).write(all: [1])
            }
        }
    }

    @Test(.enabled(if: isPossible, "needs root"))
    func `many who want a device at the same moment get one each`() async throws {
        let paths = try await withThrowingTaskGroup(of: [String].self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var taken: [String] = []
                    for _ in 0..<10 {
                        try Self.withFile { path in
                            let file = try Descriptor.open(path, O_RDWR)
                            let loop = try LoopDevice.attach(file, readOnly: false)
                            if Self.opened(loop.path, file) == loop.path { taken.append(loop.path) }
                        }
                    }
                    return taken
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(paths.count == 80)
    }
}
