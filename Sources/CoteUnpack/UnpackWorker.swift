import CoteArchive
import CoteModel
import CoteSystem
import CoteWorker
import Glibc

/// The program `cote-unpack`: decodes what strangers wrote, without privilege and without network.
///
///     request → Confinement → work → events
///
/// One request a process. What it is told to do is `UnpackRequest`; what hostile input can make of it is no more than
/// wrong files below the directory that it was given, which its maker reads as such.
public enum UnpackWorker {
    /// Does what stdin asks; the program's exit code, 0 whenever the last word was said.
    public static func main() -> Int32 {
        Processes.resetSignals()
        signal(SIGPIPE, SIG_IGN)
        do {
            let request = try WorkerChannel.request(UnpackRequest.self)
            do throws(UnpackFailure) {
                try perform(request)
                WorkerChannel.send(UnpackEvent.done)
            } catch { WorkerChannel.send(error.event) }
            return 0
        } catch {
            let message = Array("cote-unpack: \(error)\n".utf8)
            _ = message.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
            return 125
        }
    }

    private static func perform(_ request: UnpackRequest) throws(UnpackFailure) {
        let confinement = Confinement(userBase: request.userBase, descriptors: request.work.descriptors)
        if case .image(let tree, let into, let program) = request.work {
            return try ErofsImage(tree: tree, into: into, program: program).make(confinement)
        }
        try telling { () throws(SystemError) in try confinement.apply() }
        switch request.work {
        case .layers(let layers, let into): try LayerWork(request.bounds).run(layers, into: into)
        case .archive(let archive, let into): try ArchiveWork(request.bounds).run(archive, into: into)
        case .pack(let tree, let into):
            let packer = try LayerPacker(into)
            try packer.pack(tree)
        case .measure(let layer): try LayerWork(request.bounds).measure(layer)
        case .clear(let directory): try TreeRemoval.clear(directory)
        case .image: break
        }
    }
}

extension UnpackRequest.Work {
    /// All that the worker is handed.
    var descriptors: [CInt] {
        switch self {
        case .layers(let layers, let into): layers.map(\.descriptor) + [into]
        case .archive(let from, let into), .pack(let from, let into): [from, into]
        case .image(let from, let into, _): [from, into]
        case .measure(let layer): [layer.descriptor]
        case .clear(let directory): [directory]
        }
    }
}

extension UnpackFailure {
    /// What the worker says of it.
    var event: UnpackEvent {
        switch self {
        case .refused(let reason, let entry, let detail, let layer):
            .refused(layer: layer, entry: entry, reason: reason, detail: detail)
        case .failed(let code, let doing): .failed(code: code, doing: doing)
        }
    }
}
