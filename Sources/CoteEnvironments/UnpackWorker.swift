import CoteContent
import CoteModel
import CoteSystem
import CoteWorker
import Glibc

/// Runs `cote-unpack` and tells what it says in Cote's own words.
struct UnpackWorker {
    let configuration: EnvironmentConfiguration

    /// Why the worker ended, where that is no success.
    private enum Outcome {
        case none
        case done
        case failed(CoteError)
    }

    /// Does one piece of work; blocks.
    /// - Parameters:
    ///   - asSelf: as this process's own user: for a directory that only it can read.
    ///   - measured: told what the uncompressed bytes of each layer are, in order.
    ///   - subject: what a refusal is about, such as `image sha256:…`; a layer's digest is added.
    /// - Throws: `bad-image` with the member and the reason, `no-such-image` for an archive of something else,
    ///   `digest-mismatch`, `disk-full`.
    func run(
        _ work: UnpackRequest.Work, _ descriptors: [CInt], asSelf: Bool = false, subject: String,
        layers: [Digest] = [], measured: (Digest) -> Void = { _ in }, progress: (_ bytes: UInt64) -> Void = { _ in }
    ) throws(CoteError) {
        let base = asSelf ? nil : configuration.workerBase
        let process = WorkerProcess(configuration.programs + "/cote-unpack")
        var outcome = Outcome.none
        do {
            try process.run(UnpackRequest(work, userBase: base), descriptors) { (event: UnpackEvent) in
                switch event {
                case .progress(let bytes): progress(bytes)
                case .layer(_, let diffID, _): measured(diffID)
                case .done: outcome = .done
                case .refused(let layer, let entry, let reason, let detail):
                    let part = layer.flatMap { layers.indices.contains($0) ? "layer \(layers[$0])" : nil } ?? subject
                    outcome = .failed(Self.refusal(part, entry, reason, detail))
                case .failed(let code, let doing):
                    outcome = .failed(CoteError.host(subject, SystemError(doing, code: code)))
                }
            }
        } catch {
            outcome = .failed(Self.failure(error, subject))
        }
        switch outcome {
        case .done: return
        case .failed(let error): throw error
        case .none: throw CoteError(.internal, "\(subject): the worker ended without a word")
        }
    }

    private static func refusal(
        _ part: String, _ entry: String, _ reason: UnpackRefusal, _ detail: String
    ) -> CoteError {
        let code: ErrorCode =
            switch reason {
            case .wrongDigest: .digestMismatch
            case .notAnImage: .noSuchImage
            default: .badImage
            }
        let place = entry.isEmpty ? part : "\(part), member '\(entry)'"
        return CoteError(code, "\(place): \(reason.rawValue): \(detail)")
    }

    private static func failure(_ error: any Error, _ subject: String) -> CoteError {
        switch error {
        case let error as CoteError: error
        case WorkerFailure.spawn(let error): CoteError.host("cannot start cote-unpack", error)
        case WorkerFailure.ended(let status, let log):
            CoteError(.internal, "\(subject): the worker ended by itself: \(status) \(log.prefix(200))")
        default: CoteError(.internal, "\(subject): the worker said nonsense")
        }
    }
}
