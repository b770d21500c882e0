import CoteModel
import CoteSystem
import CoteTestSupport
import CoteWorker
import Glibc
import Testing

/// A directory of a test's own, with what must not be touched beside what is unpacked, removed with it.
final class UnpackTrial {
    let path: String
    /// Who is the worker's root.
    static let base: UInt32 = 5_000_000

    init() throws {
        path = "/tmp/cote-unpack-" + String(UInt64.random(in: .min ... .max), radix: 36)
        try Files.makeDirectory(path)
        try Files.makeDirectory(path + "/outside")
        for canary in ["victim", "outside/victim"] { try Files.create("\(path)/\(canary)", Array("kept".utf8)) }
    }

    /// Not by `Files.removeTree`, which knows only names that are UTF-8.
    deinit { _ = try? shell("cd /; rm -rf \(path)") }

    /// An empty directory that belongs to the worker's root.
    func directory(_ name: String) throws -> SharedDescriptor {
        let place = "\(path)/\(name)"
        if !Files.exists(place) {
            try Files.makeDirectory(place)
            try Files.setOwner(place, Self.base)
        }
        return SharedDescriptor(try Descriptor.open(place, O_RDONLY | O_DIRECTORY))
    }

    func file(_ bytes: [UInt8]) throws -> SharedDescriptor {
        let name = "\(path)/input-\(UInt64.random(in: .min ... .max))"
        try Files.create(name, bytes)
        return try file(at: name)
    }

    func file(at name: String) throws -> SharedDescriptor { SharedDescriptor(try Descriptor.open(name, O_RDONLY)) }

    func output(_ name: String) throws -> SharedDescriptor {
        SharedDescriptor(try Descriptor.open("\(path)/\(name)", O_RDWR | O_CREAT | O_TRUNC, mode: 0o600))
    }

    /// All that the worker says.
    static func run(_ request: UnpackRequest, _ descriptors: [SharedDescriptor]) throws -> [UnpackEvent] {
        var events: [UnpackEvent] = []
        let worker = WorkerProcess(Workbench.builtPrograms + "/cote-unpack")
        try withExtendedLifetime(descriptors) {
            try worker.run(request, descriptors.map { $0.descriptor.raw }) { (event: UnpackEvent) in
                events.append(event)
            }
        }
        return events
    }

    /// Applies layers to the directory `out`.
    func layers(
        _ layers: [[UInt8]], diffIDs: [Digest?] = [], sizes: [UInt64] = [], into name: String = "out",
        bounds: UnpackRequest.Bounds = UnpackRequest.Bounds()
    ) throws -> [UnpackEvent] {
        let files = try layers.map { try file($0) }
        let into = try directory(name)
        let described = layers.indices.map { index in
            UnpackRequest.Layer(
                descriptor: 3 + CInt(index), size: index < sizes.count ? sizes[index] : UInt64(layers[index].count),
                diffID: index < diffIDs.count ? diffIDs[index] : nil)
        }
        let work = UnpackRequest.Work.layers(described, into: 3 + CInt(layers.count))
        return try Self.run(UnpackRequest(work, userBase: Self.base, bounds: bounds), files + [into])
    }

    func archive(_ bytes: [UInt8], into name: String = "out") throws -> [UnpackEvent] {
        let request = UnpackRequest(.archive(3, into: 4), userBase: Self.base)
        return try Self.run(request, [try file(bytes), try directory(name)])
    }

    func image(of name: String, into image: String) throws -> [UnpackEvent] {
        let request = UnpackRequest(.image(3, into: 4, program: "/usr/bin/mkfs.erofs"), userBase: Self.base)
        return try Self.run(request, [try directory(name), try output(image)])
    }

    func pack(_ name: String, into layer: String) throws -> [UnpackEvent] {
        let request = UnpackRequest(.pack(3, into: 4), userBase: nil)
        return try Self.run(request, [try directory(name), try output(layer)])
    }

    func clear(_ name: String) throws -> [UnpackEvent] {
        try Self.run(UnpackRequest(.clear(3), userBase: Self.base), [try directory(name)])
    }

    /// Everything about what must not be touched.
    func surroundings() throws -> String {
        try ["victim", "outside", "outside/victim"].map { name in
            let status = try Files.status("\(path)/\(name)")
            let times = [status.st_mtim, status.st_ctim].map { "\($0.tv_sec).\($0.tv_nsec)" }
            let content = name.hasSuffix("victim") ? try Files.readText("\(path)/\(name)") : ""
            return "\(name) \(status.st_mode) \(status.st_uid) \(status.st_nlink) \(times) \(content)"
        }.joined(separator: "\n") + "\(Files.exists("/tmp/cote-escape"))"
            + (try Files.list(path).filter { !$0.hasPrefix("input-") && $0 != "out" }.joined(separator: " "))
    }

    /// Runs a script in the directory and returns what it printed. Fails the test when the script does.
    @discardableResult
    func shell(_ script: String) throws -> String {
        let environment = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "TZ=UTC"]
        var request = SpawnRequest("/bin/bash", ["bash", "-euc", script], environment: environment)
        let null = try Descriptor.open("/dev/null", O_RDWR)
        var pipe = try Descriptor.pipe()
        let reader = pipe.takeFirst()
        let writer = SharedDescriptor(pipe.takeSecond())
        request.descriptors = [null.raw, writer.descriptor.raw, writer.descriptor.raw]
        request.directory = path
        let child = try withExtendedLifetime(consume writer) { try request.run() }
        let output = String(decoding: try reader.readAll(limit: 1 << 26), as: UTF8.self)
        #expect(try child.wait() == .exited(0), "\(script): \(output)")
        return output
    }

    /// The same bytes, compressed.
    func compressed(_ bytes: [UInt8], by command: String) throws -> [UInt8] {
        let name = "plain-\(UInt64.random(in: .min ... .max))"
        try Files.create("\(path)/\(name)", bytes)
        defer { for end in ["", ".z"] { try? Files.remove("\(path)/\(name)\(end)") } }
        try shell("\(command) < \(name) > \(name).z")
        return try Files.read("\(path)/\(name).z", limit: 1 << 28)
    }
}
