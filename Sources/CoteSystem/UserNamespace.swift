import CLinux
import Glibc

/// User namespaces: ids that mean others outside.
public enum UserNamespace {
    /// A new user namespace in which the users and groups from 0 on are `count` ids from `base` on out here. Nobody is
    /// in it; it lasts as long as the descriptor, a mount or a process that uses it.
    ///
    /// Its ids are written by way of `/proc`, which must be that of this process's PID namespace.
    /// - Throws: `EPERM` where this process may not give these ids away.
    public static func make(base: UInt32, count: UInt32) throws(SystemError) -> Descriptor {
        Descriptor(owning: try check("clone") { cl_user_namespace(base, count) })
    }
}
