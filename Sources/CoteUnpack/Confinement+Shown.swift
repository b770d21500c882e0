import CoteSystem
import Glibc

extension Confinement {
    /// A file or directory of the host that is on the new root too.
    struct Shown: Sendable {
        private let path: String
        /// An open file that the path must still lead to.
        private let opened: CInt?
        private let place: String
        private let isDirectory: Bool
        private let isReadOnly: Bool

        private static let pathOnly: CInt = 0o10_000_000  // O_PATH

        /// What has a name; where that is a symbolic link, the link.
        init(_ path: String, at place: String, isDirectory: Bool) {
            self.path = path
            self.place = place
            self.isDirectory = isDirectory
            opened = nil
            isReadOnly = true
        }

        /// What is open, by the name that it has now: a mount cannot be made of what was opened in another namespace.
        init(opened: CInt, at place: String, isDirectory: Bool, isReadOnly: Bool = true) {
            path = (try? Files.linkTarget("/proc/self/fd/\(opened)")) ?? ""
            self.opened = opened
            self.place = place
            self.isDirectory = isDirectory
            self.isReadOnly = isReadOnly
        }

        private var linkTarget: String? { opened == nil && isDirectory ? try? Files.linkTarget(path) : nil }

        func open() throws(SystemError) -> Descriptor {
            let descriptor = try Descriptor.open(path, Self.pathOnly | (linkTarget == nil ? 0 : O_NOFOLLOW))
            if let opened {
                var (here, there) = (stat(), stat())
                guard fstat(descriptor.raw, &here) == 0, fstat(opened, &there) == 0, here.st_dev == there.st_dev,
                    here.st_ino == there.st_ino
                else { throw SystemError("open", code: ESTALE, subject: path) }
            }
            return descriptor
        }

        func mount(_ source: borrowing Descriptor, below root: String) throws(SystemError) {
            let target = root + "/" + place
            if let linkTarget {
                if symlink(linkTarget, target) < 0 { throw SystemError("symlink", subject: target) }
                return
            }
            if isDirectory { try Files.makeDirectory(target) } else { try Files.create(target, []) }
            var restrictions: Mounts.Restrictions = [.noSetuid, .noDevices]
            if isReadOnly { restrictions.insert(.readOnly) }
            try Mounts.bind("", at: source.raw, to: target, restrictions)
        }
    }
}
