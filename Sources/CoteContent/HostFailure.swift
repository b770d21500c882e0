public import CoteModel
public import CoteSystem
import Glibc

extension CoteError {
    /// What to tell when this host could not do something.
    /// - Parameter doing: such as `cannot write to /var/lib/cote`.
    public static func host(_ doing: String, _ error: SystemError) -> CoteError {
        switch error.code {
        case ENOSPC, EDQUOT:
            return CoteError(.diskFull, "\(doing): \(error.reason)", hint: "cote prune frees what has ended")
        case EACCES, EPERM, EROFS:
            let hint = geteuid() == 0 ? nil : "run cote as root; cote doctor says more"
            return CoteError(.noPermission, "\(doing): \(error.reason)", hint: hint)
        default: return CoteError(.internal, "\(doing): \(error)")
        }
    }

    /// Does something with this host's files and tells a failure as `host` does.
    public static func hosting<Value: ~Copyable>(
        _ doing: @autoclosure () -> String, _ body: () throws(SystemError) -> Value
    ) throws(CoteError) -> Value {
        do { return try body() } catch { throw host(doing(), error) }
    }
}
