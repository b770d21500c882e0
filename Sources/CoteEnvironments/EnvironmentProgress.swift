/// A step of something that takes long, as a person wants to see it.
public struct EnvironmentProgress: Hashable, Sendable {
    /// What is being done, such as `unpacking 5 layers`.
    public var step: String
    /// Bytes of it that are done.
    public var done: UInt64
    /// All of its bytes; `nil` where nobody knows.
    public var total: UInt64?

    /// Called from any thread, often.
    public typealias Listener = @Sendable (EnvironmentProgress) -> Void

    init(_ step: String, _ done: UInt64 = 0, of total: UInt64? = nil) {
        self.step = step
        self.done = done
        self.total = total
    }
}
