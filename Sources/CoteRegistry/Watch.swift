import Synchronization

/// Bytes that an exchange has moved, as far as its watch knows.
final class Movement: Sendable {
    private let moved = Mutex<UInt64>(0)

    /// Something has come or gone.
    func add(_ bytes: Int) { moved.withLock { $0 &+= UInt64(max(bytes, 0)) } }

    /// The head of an answer counts as much as a body must bring.
    func addHead() { add(Self.least) }

    /// Whether enough has moved since the last call.
    fileprivate func renew() -> Bool {
        moved.withLock { moved in
            defer { moved = 0 }
            return moved >= Self.least
        }
    }

    /// Fewer bytes in a whole period are silence: a peer that sends one a second would otherwise hold on for ever.
    private static let least = 1024
}

/// Runs `body`, and cancels it when it moves next to nothing for as long as `idle`.
/// - Throws: what `body` throws, or `silence`.
func watched<Value: Sendable>(
    _ idle: Duration, else silence: RegistryFailure, _ body: @escaping @Sendable (Movement) async throws -> Value
) async throws -> Value {
    let movement = Movement()
    return try await withThrowingTaskGroup(of: Value?.self) { group in
        defer { group.cancelAll() }
        group.addTask { try await body(movement) }
        group.addTask {
            repeat { try await Task.sleep(for: idle) } while movement.renew()
            return nil
        }
        guard let first = try await group.next(), let value = first else { throw silence }
        return value
    }
}
