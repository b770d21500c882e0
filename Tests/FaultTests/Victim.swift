import CoteEngine
import CoteModel
import CoteSystem
import Glibc

/// A process of a test's own sandbox. It is held by descriptor before it is verified, so that a signal can meet no
/// other process, whatever becomes of its pid.
final class Victim: Sendable {
    private let process: ChildProcess

    var pid: Int32 { process.pid }

    /// The keeper that `state.json` names, if it is alive and is that sandbox's.
    static func keeper(of id: SandboxID, _ engine: Engine) -> Victim? {
        guard let state = try? engine.show(id.text).state, let pid = state.keeper,
            let victim = Victim(pid), Processes.startTime(of: "\(pid)") == state.keeperStart,
            ProcessTable.commandLine(pid) == ["cote-keeper", id.text]
        else { return nil }
        return victim
    }

    /// A child of that sandbox's keeper, or with `deep` a grandchild, whose name is `name`: `crun`, `agent`.
    static func child(_ name: String, of id: SandboxID, _ engine: Engine, deep: Bool = false) -> Victim? {
        guard let keeper = keeper(of: id, engine) else { return nil }
        var found = ProcessTable.children(of: keeper.pid)
        if deep { found += found.flatMap(ProcessTable.children) }
        for pid in found {
            guard let victim = Victim(pid), ProcessTable.name(pid) == name else { continue }
            let parent = ProcessTable.parent(pid)
            if parent == keeper.pid || deep && parent.flatMap(ProcessTable.parent) == keeper.pid { return victim }
        }
        return nil
    }

    private init?(_ pid: Int32) {
        guard let descriptor = try? Processes.open(pid) else { return nil }
        process = ChildProcess(pid: pid, pidfd: descriptor)
    }

    func kill() { process.signal(SIGKILL) }
    func send(_ signal: CInt) { process.signal(signal) }

    /// Waits until the process, and if it is a keeper all that was in its namespace, has ended.
    func ended(within seconds: Int32 = 120) throws {
        var entry = pollfd(fd: process.pidfd.raw, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, seconds * 1000) == 1 else { throw Unmet(description: "process \(pid) does not end") }
    }
}

/// What `/proc` says.
enum ProcessTable {
    static func commandLine(_ pid: Int32) -> [String] {
        let bytes = (try? Files.read("/proc/\(pid)/cmdline")) ?? []
        return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    static func name(_ pid: Int32) -> String {
        ((try? Files.readText("/proc/\(pid)/comm")) ?? "").split(separator: "\n").first.map(String.init) ?? ""
    }

    static func children(of pid: Int32) -> [Int32] {
        let text = (try? Files.readText("/proc/\(pid)/task/\(pid)/children")) ?? ""
        return text.split(separator: " ").compactMap { Int32($0) }
    }

    static func parent(_ pid: Int32) -> Int32? { field("PPid:", pid).flatMap { Int32($0) } }

    /// Resident KiB.
    static func resident(_ pid: Int32) -> Int { field("VmRSS:", pid).flatMap { Int($0) } ?? 0 }

    /// The most KiB that were ever resident.
    static func peak(_ pid: Int32) -> Int { field("VmHWM:", pid).flatMap { Int($0) } ?? 0 }

    /// Of files, pipes and sockets, ever since it began.
    static func bytesRead(_ pid: Int32) -> Int {
        let text = (try? Files.readText("/proc/\(pid)/io")) ?? ""
        return text.split(separator: "\n").first?.split(separator: " ").last.flatMap { Int($0) } ?? 0
    }

    static func descriptors(_ pid: Int32) -> Int { ((try? Files.list("/proc/\(pid)/fd")) ?? []).count }

    /// Every process in a sandbox's control group, as `PID NAME`. Users would not do: another state directory may have
    /// given out the same ones.
    static func members(of id: SandboxID) -> [String] {
        ((try? Files.list("/proc")) ?? []).compactMap { Int32($0) }.filter { pid in
            ((try? Files.readText("/proc/\(pid)/cgroup")) ?? "").contains("/cote-\(id)")
        }.map { "\($0) \(name($0))" }
    }

    private static func field(_ name: String, _ pid: Int32) -> Substring? {
        let text = (try? Files.readText("/proc/\(pid)/status")) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix(name) }
        return line?.dropFirst(name.count).split(whereSeparator: \.isWhitespace).first
    }
}
