import CoteArchive
import CoteModel
import CoteSystem
public import CoteWire
import Glibc

/// What the agent's executable does as `cote-agent files VERB PATH MODE`: one transfer, as an ordinary command of the
/// sandbox's user, under the same filter and without capabilities, so that it can reach nothing a command could not.
public enum FileVerbs {
    /// The arguments, after the program's name, that make the agent's executable do `transfer`.
    public static func arguments(_ transfer: FileTransfer) -> [String] {
        ["files", transfer.verb.name, transfer.path, String(transfer.mode, radix: 8)]
    }

    /// Does what `arguments` (without the program's name and `files`) say, on standard input and output.
    ///
    /// The end of the input is the end of the data: whoever wants to abandon a `write` or `unpack` kills the process.
    /// - Returns: the exit code: 0, or 1 after one line `CODE: MESSAGE` on standard error, where `CODE` is an
    ///   `ErrorCode`. Lines before it that begin with `note: ` say what was left out.
    public static func run(_ arguments: [String]) -> Int32 {
        do throws(FileFailure) {
            guard let transfer = transfer(arguments) else {
                throw FileFailure("usage: files VERB PATH [MODE]")
            }
            try perform(
                transfer, input: Descriptor(owning: STDIN_FILENO), output: Descriptor(owning: STDOUT_FILENO),
                note: { say("note: " + $0) })
            return 0
        } catch {
            say(error.code.rawValue + ": " + error.message)
            return 1
        }
    }

    static func transfer(_ arguments: [String]) -> FileTransfer? {
        guard (2...3).contains(arguments.count), !arguments[1].isEmpty,
            let verb = FileTransfer.Verb.allCases.first(where: { $0.name == arguments[0] }),
            let mode = UInt32(arguments.count > 2 ? arguments[2] : "644", radix: 8), mode <= 0o7777
        else { return nil }
        return FileTransfer(verb, path: arguments[1], mode: mode)
    }

    private static func say(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// - Parameter note: is told what is left out.
    static func perform(
        _ transfer: FileTransfer, input: consuming Descriptor, output: consuming Descriptor,
        note: @escaping (String) -> Void
    ) throws(FileFailure) {
        let path = FilePath(transfer.path)
        switch transfer.verb {
        case .read: try FileContent.read(path, output)
        case .write: try FileContent.write(path, mode: transfer.mode, input)
        case .list: try FileListing.write(path, output)
        case .remove: try FileRemoval.remove(path)
        case .pack:
            var packer = ArchivePacker(ArchiveOutput(output), note: note)
            try packer.pack(path)
        case .unpack:
            var unpacker = try ArchiveUnpacker(transfer.path)
            try unpacker.unpack(ArchiveReader(ArchiveInput(input)))
        }
    }
}
