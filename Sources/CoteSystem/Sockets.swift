import CLinux
import Glibc

/// Stream sockets in the file system. Paths may be longer than a socket address: the directory is named by descriptor.
public enum Sockets {
    /// Listens on `name` in `directory`; only this user may connect.
    public static func listen(in directory: String, name: String) throws(SystemError) -> Descriptor {
        let place = try Descriptor.directory(directory)
        let socket = try make(CInt(SOCK_NONBLOCK.rawValue))
        let path = place.path + "/" + name
        try check("bind", "\(directory)/\(name)") { cl_bind_unix(socket.raw, path) }
        try check("chmod", name) { fchmodat(place.raw, name, 0o600, 0) }
        try check("listen") { Glibc.listen(socket.raw, 128) }
        return socket
    }

    /// Connects to the socket `name` in `directory`.
    /// - Throws: `ECONNREFUSED` or `ENOENT` when nobody listens.
    public static func connect(in directory: String, name: String) throws(SystemError) -> Descriptor {
        let place = try Descriptor.directory(directory)
        let socket = try make(0)
        let path = place.path + "/" + name
        try check("connect", "\(directory)/\(name)") { cl_connect_unix(socket.raw, path) }
        return socket
    }

    /// The next connection that waits, if one does.
    public static func accept(_ listener: borrowing Descriptor) -> Descriptor? {
        let raw = cl_accept(listener.raw)
        return raw >= 0 ? Descriptor(owning: raw) : nil
    }

    /// The user of the process at the other end, as the kernel knows it.
    public static func peerUser(_ socket: borrowing Descriptor) -> UInt32? {
        var pid: Int32 = 0
        var user: UInt32 = 0
        return cl_peer(socket.raw, &pid, &user) == 0 ? user : nil
    }

    private static func make(_ flags: CInt) throws(SystemError) -> Descriptor {
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | flags
        return Descriptor(owning: try check("socket") { socket(AF_UNIX, type, 0) })
    }
}
