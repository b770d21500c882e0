import AsyncHTTPClient
import CoteSystem
import CoteWorker
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Why something was not done, and whether it makes sense to try it again.
struct RegistryFailure: Error, Equatable {
    var reason: RegistryRefusal
    /// Without the name of what it is about, which whoever reports it puts before; quotes nothing of the peer's but
    /// numbers and names of hosts.
    var message: String
    var isTransient = false
    /// How long the registry asks to be left alone.
    var pause: Duration?

    init(_ reason: RegistryRefusal, _ message: String, isTransient: Bool = false, pause: Duration? = nil) {
        self.reason = reason
        self.message = message
        self.isTransient = isTransient
        self.pause = pause
    }

    /// What a system call on a file of this machine means.
    static func localFile(_ error: SystemError) -> RegistryFailure {
        RegistryFailure(.localFile, "\(error.call) on this machine: \(error.reason)")
    }
}

extension RegistryFailure {
    /// What an error of the HTTP client, TLS or the network means.
    init(network error: any Error, host: String) {
        switch error {
        case let failure as RegistryFailure: self = failure
        case let error as SystemError: self = .localFile(error)
        case let error as HTTPClientError: self.init(client: error, host: host)
        case let error as NIOSSLError: self.init(security: error, host: host)
        case is NIOSSLExtraError:
            self.init(.certificate, "the certificate of \(host) is for another name")
        case let error as BoringSSLError: self.init(library: error, host: host)
        case let error as NIOConnectionError:
            let isUnknown = error.connectionErrors.isEmpty
            self.init(
                .unreachable,
                isUnknown ? "no address of \(host) is known" : "\(host) does not answer: \(Self.cause(error))",
                isTransient: true)
        case let error as IOError:
            self.init(
                .unreachable, "the connection to \(host) broke: \(String(cString: strerror(error.errnoCode)))",
                isTransient: true)
        case let error as ChannelError:
            if case .connectTimeout = error {
                self.init(.timeout, "\(host) did not take the connection in time", isTransient: true)
            } else {
                self.init(.unreachable, "the connection to \(host) broke", isTransient: true)
            }
        case let error as HTTPParserError where error == .invalidEOFState:
            self.init(.unreachable, "\(host) closed the connection before its answer was over", isTransient: true)
        case is HTTPParserError: self.init(.badAnswer, "what \(host) answers is not HTTP")
        default: self.init(.unreachable, "the connection to \(host) failed (\(type(of: error)))", isTransient: true)
        }
    }

    private init(client error: HTTPClientError, host: String) {
        switch error {
        case .connectTimeout, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout:
            self.init(.timeout, "\(host) did not take the connection in time", isTransient: true)
        case .readTimeout, .writeTimeout, .deadlineExceeded: self = .silence(of: host)
        case .remoteConnectionClosed, .requestStreamCancelled, .cancelled:
            self.init(.unreachable, "\(host) closed the connection", isTransient: true)
        default: self.init(.badAnswer, "what \(host) answers breaks HTTP (\(error.shortDescription))")
        }
    }

    private init(security error: NIOSSLError, host: String) {
        switch error {
        case .handshakeFailed(let cause): self.init(library: cause, host: host)
        case .uncleanShutdown:
            self.init(.unreachable, "\(host) closed the connection before its answer was over", isTransient: true)
        default: self.init(.unreachable, "TLS with \(host) failed", isTransient: true)
        }
    }

    private init(library error: BoringSSLError, host: String) {
        let text = "\(error)"
        if text.contains("CERTIFICATE_VERIFY_FAILED") {
            self.init(.certificate, "the certificate of \(host) is not signed by anyone whom this machine trusts")
        } else if text.contains("WRONG_VERSION_NUMBER") || text.contains("HTTP_REQUEST") {
            self.init(.unreachable, "\(host) does not speak TLS")
        } else {
            self.init(.unreachable, "TLS with \(host) failed", isTransient: true)
        }
    }

    private static func cause(_ error: NIOConnectionError) -> String {
        guard let first = error.connectionErrors.first?.error as? IOError else { return "no connection" }
        return String(cString: strerror(first.errnoCode))
    }

    /// It sent nothing, or next to nothing, for as long as the options allow.
    static func silence(of host: String) -> RegistryFailure {
        RegistryFailure(.timeout, "\(host) went silent", isTransient: true)
    }
}
