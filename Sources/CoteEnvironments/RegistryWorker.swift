import CoteContent
import CoteModel
import CoteSystem
import CoteWorker
import Glibc

/// Runs `cote-registry` for one image of one registry and tells what it says in Cote's own words.
struct RegistryWorker {
    let configuration: EnvironmentConfiguration
    let reference: ImageReference
    let options: RegistryRequest.Options
    let credentials: RegistryRequest.Credentials?

    /// Does one piece of work; blocks. `heard` gets all that is no last word.
    func run(
        _ work: RegistryRequest.Work, _ descriptors: [CInt], _ heard: (RegistryEvent) -> Void
    ) throws(CoteError) {
        let request = RegistryRequest(
            registry: reference.endpoint, repository: reference.repository, credentials: credentials, options: options,
            work: work)
        var process = WorkerProcess(configuration.programs + "/cote-registry", environment: Self.environment)
        // Nobody's ids, next to those of whoever decodes images.
        if geteuid() == 0 {
            let nobody = configuration.workerBase + SandboxSpec.reservedUser
            process.credentials = Credentials(user: nobody, group: nobody)
        }
        var failure: CoteError?
        var isDone = false
        do {
            try process.run(request, descriptors) { (event: RegistryEvent) in
                switch event {
                case .done: isDone = true
                case .failed(let reason, let message): failure = Self.failure(reason, message)
                default: heard(event)
                }
            }
        } catch {
            throw failure ?? Self.failure(error)
        }
        if let failure { throw failure }
        if !isDone { throw CoteError(.internal, "\(reference): the worker ended without a word") }
    }

    /// Where the certificates are is the machine's business, how to reach the network the operator's.
    private static var environment: [String] {
        let names = [
            "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy",
            "no_proxy",
        ]
        return names.compactMap { name in getenv(name).map { "\(name)=\(String(cString: $0))" } }
    }

    private static func failure(_ reason: RegistryRefusal, _ message: String) -> CoteError {
        switch reason {
        case .denied:
            CoteError(
                .registryDenied, message, hint: "docker login, or podman login, keeps credentials for cote to use")
        case .wrongContent: CoteError(.digestMismatch, message)
        case .notFound: CoteError(.noSuchImage, message)
        case .tooLarge: CoteError(.badImage, message)
        default: CoteError(.registryFailed, message)
        }
    }

    private static func failure(_ error: any Error) -> CoteError {
        switch error {
        case let error as CoteError: error
        case WorkerFailure.spawn(let error): CoteError.host("cannot start cote-registry", error)
        case WorkerFailure.ended(let status, let log):
            CoteError(.internal, "the registry worker ended by itself: \(status) \(log.prefix(200))")
        default: CoteError(.internal, "the registry worker said nonsense")
        }
    }
}
