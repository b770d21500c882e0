import CoteArchive
import CoteModel
import CoteWorker

/// All layers of an image, one after the other, into one directory.
struct LayerWork {
    private let bounds: UnpackRequest.Bounds

    init(_ bounds: UnpackRequest.Bounds) { self.bounds = bounds }

    func run(_ layers: [UnpackRequest.Layer], into: CInt) throws(UnpackFailure) {
        let budget = UnpackBudget(bounds)
        let applier = try LayerApplier(into, budget)
        var used: UInt64 = 0
        for (index, layer) in layers.enumerated() {
            do throws(UnpackFailure) {
                used += try apply(layer, index, applier, used, budget.streamLimit(after: used))
            } catch {
                guard case .refused(let reason, let entry, let detail, _) = error else { throw error }
                throw .refused(reason: reason, entry: entry, detail: detail, layer: index)
            }
        }
        try applier.finish()
    }

    /// Tells what a layer's uncompressed bytes are.
    func measure(_ layer: UnpackRequest.Layer) throws(UnpackFailure) {
        let limit = UnpackBudget(bounds).streamLimit(after: 0)
        let stored = try FileSource(layer.descriptor, size: layer.size)
        let stream = try LayerStream(try Compression.open(stored, DecodingLimit(bytes: limit)))
        defer { stream.abandon() }
        while !(try stream.next(.max).isEmpty) {}
        WorkerChannel.send(UnpackEvent.layer(index: 0, diffID: try stream.finish(), bytes: stream.count))
    }

    /// Gives the layer's uncompressed bytes.
    private func apply(
        _ layer: UnpackRequest.Layer, _ index: Int, _ applier: LayerApplier, _ before: UInt64, _ limit: UInt64
    ) throws(UnpackFailure) -> UInt64 {
        let stored = try FileSource(layer.descriptor, size: layer.size)
        let stream = try LayerStream(try Compression.open(stored, DecodingLimit(bytes: limit)))
        defer { stream.abandon() }
        stream.passed = { WorkerChannel.send(UnpackEvent.progress(bytes: before + $0)) }
        try applier.apply(LayerReader(stream, needsEnd: layer.diffID == nil))
        let digest = try stream.finish()
        if let expected = layer.diffID, digest != expected {
            throw .refused(.wrongDigest, FilePath(""), "has \(digest.text) and not \(expected.text)")
        }
        WorkerChannel.send(UnpackEvent.layer(index: index, diffID: digest, bytes: stream.count))
        return stream.count
    }
}
