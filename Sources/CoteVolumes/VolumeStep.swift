/// A moment between two effects at which a process may die. Tests end one at each.
package enum VolumeStep: String, Sendable, CaseIterable {
    // A volume or a snapshot comes.
    /// It is there without a limit, owner or content, under a name that nobody looks at.
    case begun
    /// It has its limit.
    case limited
    /// It has its content.
    case filled
    /// It has its name.
    case published

    // One goes.
    /// It has no name any more.
    case withdrawn
    /// It is gone.
    case removed

    // A pool comes.
    /// Its file has its size.
    case poolSized
    /// Its file is a file system.
    case poolFormatted
    /// Its file has its name.
    case poolPublished
    /// It is mounted.
    case poolMounted
    /// It has its folders, and counts.
    case poolReady

    // A pool grows.
    /// Its file has its new size.
    case fileGrown
    /// The file system has the new size too.
    case poolGrown

    // A damaged pool goes.
    /// Its file has another name.
    case setAside
}

/// Called at every step, on the thread of whoever works.
typealias StepWatch = @Sendable (VolumeStep) -> Void
