// The journal: the append-only record of what happened in a sandbox or run, as JSON lines
//
//     {"seq":1,"ts":"2026-11-21T01:02:03.123456Z","kind":"exec-start","n":1,…}
//     {"seq":2,"ts":"…","kind":"stdout","n":1,"data":"hello\n"}
//     {"seq":3,"ts":"…","kind":"stderr","n":1,"data":"AP8=","encoding":"base64"}
//
// Here live its one writer (`JournalWriter`), its readers (`JournalReader`, `JournalFollower`) and what makes it safe
// to show (`TerminalText`). What the kinds mean is the business of those who write them. No Foundation: the keeper
// links the writer.

/// The numbers on which writer and readers agree.
public enum JournalFormat {
    /// Bytes of a command's output on one line, before escaping.
    public static let mostData = 64 << 10
    /// Bytes of a line with its newline; a longer one is rubbish to a reader and refused by the writer.
    public static let longestLine = 1 << 20

    static let newline = UInt8(ascii: "\n")
}
