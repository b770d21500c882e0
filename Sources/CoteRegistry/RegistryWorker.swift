import CoteModel
import CoteSystem
import CoteWorker
import Glibc

/// What `cote-registry` is: one request of `cote`'s, carried out without privilege. It parses what registries send, so
/// nothing of it is in `cote` itself.
///
/// Lives here: HTTP, TLS, authorization, resuming, trying again. Never here: what a manifest means, where blobs are
/// kept, credential files.
public enum RegistryWorker {
    /// Gives up all that is not needed. Call first of all, before any thread exists.
    public static func seal() {
        do { try WorkerSeal.apply() } catch {
            complain("cannot give up privileges: \(error)")
            exit(1)
        }
    }

    /// Reads the request, does the work and says how it went.
    /// - Returns: the exit code: 0 when a last word was said.
    public static func run() async -> CInt {
        let request: RegistryRequest
        do { request = try WorkerChannel.request(RegistryRequest.self) } catch {
            // The request may have credentials in it, and the error may quote the request.
            complain("the request cannot be read")
            return 1
        }
        let authorities = getenv("SSL_CERT_FILE").map { String(cString: $0) }
        await RegistryErrand(request, authorities: authorities).run { WorkerChannel.send($0) }
        return 0
    }

    private static func complain(_ text: String) {
        let line = Array("cote-registry: \(text)\n".utf8)
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
