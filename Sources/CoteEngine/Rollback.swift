/// Undoes, in reverse, the steps of something that did not come about.
struct Rollback: ~Copyable {
    private var steps: [() -> Void] = []

    mutating func push(_ undo: @escaping () -> Void) { steps.append(undo) }

    /// All went well: nothing is undone.
    consuming func commit() { discard() }

    private mutating func discard() { steps = [] }

    deinit { for undo in steps.reversed() { undo() } }
}
