import CLinux
import Glibc

/// Pseudo-terminals and the size of terminals.
public enum Terminals {
    /// A new pair: `first` controls, `second` is what a program sees.
    public static func openPair() throws(SystemError) -> DescriptorPair {
        let controller = try Descriptor.open("/dev/ptmx", O_RDWR | O_NOCTTY)
        try check("ioctl") { cl_terminal_unlock(controller.raw) }
        let program = Descriptor(owning: try check("ioctl") { cl_terminal_peer(controller.raw) })
        return DescriptorPair(controller.release(), program.release())
    }

    /// The programs on the terminal get SIGWINCH; on what is no terminal it does nothing.
    public static func resize(_ descriptor: borrowing Descriptor, rows: UInt16, columns: UInt16) {
        _ = cl_terminal_set_size(descriptor.raw, rows, columns)
    }

    /// Rows and columns of the terminal that `raw` is open on, if it is on one.
    public static func size(of raw: CInt) -> (rows: UInt16, columns: UInt16)? {
        var rows: UInt16 = 0
        var columns: UInt16 = 0
        return cl_terminal_size(raw, &rows, &columns) == 0 ? (rows, columns) : nil
    }
}
