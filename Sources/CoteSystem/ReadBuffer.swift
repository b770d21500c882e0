/// Room for one read. Its pages cost memory only once something has been read into them, which for most connections
/// stays a page or two.
public struct ReadBuffer {
    /// What was read last, at the front.
    public private(set) var bytes: [UInt8]

    /// - Parameter size: the most bytes one read can bring.
    public init(size: Int) {
        // Bytes are any bit pattern, and nobody looks at them before a read has set them.
        bytes = [UInt8](unsafeUninitializedCapacity: size) { _, count in count = size }
    }

    /// Reads at most `limit` bytes of what is there.
    public mutating func read(
        _ descriptor: borrowing Descriptor, limit: Int = .max
    ) throws(SystemError) -> ReadOutcome {
        var outcome: Result<ReadOutcome, SystemError> = .success(.wouldBlock)
        bytes.withUnsafeMutableBytes { all in
            let part = UnsafeMutableRawBufferPointer(rebasing: all[..<min(limit, all.count)])
            do throws(SystemError) { outcome = .success(try descriptor.read(into: part)) } catch {
                outcome = .failure(error)
            }
        }
        return try outcome.get()
    }

    /// The first `count` bytes, for as long as `body` runs.
    public func first<Value>(_ count: Int, _ body: (UnsafeRawBufferPointer) -> Value) -> Value {
        bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }
}
