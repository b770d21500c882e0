public import CoteModel
public import CoteSystem
import Glibc

extension Cgroup {
    /// Makes the group in every tree that can limit something, without a limit yet.
    public func create() throws(SystemError) {
        if layout == .unified {
            let above = "\(base)/\(name)"
            try Files.makeDirectory(above, mode: 0o755)
            try Self.handDownControllers(at: above)
        }
        for directory in directories { try Files.makeDirectory(directory, mode: 0o755) }
    }

    /// Lets `request` start its program inside the group; the descriptors must stay open until it has started.
    public func admit(_ request: inout SpawnRequest) throws(SystemError) -> [SharedDescriptor] {
        if layout == .unified {
            let door = SharedDescriptor(try .directory(base + path))
            request.controlGroup = door.descriptor.raw
            return [door]
        }
        var doors: [SharedDescriptor] = []
        for directory in directories { doors.append(SharedDescriptor(try .open(directory + "/tasks", O_WRONLY))) }
        request.taskLists = doors.map { $0.descriptor.raw }
        return doors
    }

    /// How many threads are in the group, with those that have ended and that nobody has collected yet.
    public var population: Int {
        if let text = try? Files.readText(directory(of: "pids") + "/pids.current") {
            return Int(text.prefix { $0.isNumber }) ?? 0
        }
        // Without that controller the ended ones do not count.
        let list = directories.first.flatMap { try? Files.readText($0 + "/cgroup.procs") } ?? ""
        return list.split(separator: "\n").count
    }

    /// Sets what is limited. Fails where the host cannot hold a limit that is asked for.
    public func limit(_ limits: Limits, _ guards: GuardSet) throws(SystemError) {
        if let memory = limits.memory, guards.holds(.memoryLimit) { try limit(memory: memory) }
        if let processes = limits.processes, guards.holds(.processLimit) {
            // Threads count too, and the agent has two.
            try write("pids", "pids.max", "\(UInt64(processes) + 2)")
        }
        if let share = limits.milliCPUs {
            let quota = UInt64(share) * Self.period / 1000
            if layout == .unified {
                try write("cpu", "cpu.max", "\(quota) \(Self.period)")
            } else {
                try write("cpu", "cpu.cfs_period_us", "\(Self.period)")
                try write("cpu", "cpu.cfs_quota_us", "\(quota)")
            }
        }
    }

    /// Microseconds in which a share of the processors is given out.
    private static let period: UInt64 = 100_000

    /// No more with swap than without. A kernel that does not count swap has no such file.
    private func limit(memory: ByteCount) throws(SystemError) {
        let isUnified = layout == .unified
        let swap = isUnified ? ("memory.swap.max", "0") : ("memory.memsw.limit_in_bytes", "\(memory.bytes)")
        try writePatiently("memory", isUnified ? "memory.max" : "memory.limit_in_bytes", "\(memory.bytes)")
        let hasSwap = ((try? Files.readText("/proc/swaps")) ?? "").split(separator: "\n").count > 1
        if hasSwap || Files.exists("\(directory(of: "memory"))/\(swap.0)") { try write("memory", swap.0, swap.1) }
    }

    /// What crun has used comes back a little after it has left, and with v1 there is no limit below what is in use.
    private func writePatiently(_ controller: String, _ file: String, _ text: String) throws(SystemError) {
        for _ in 0..<1000 {
            do { return try write(controller, file, text) } catch {
                guard error.code == EBUSY else { throw error }
                usleep(1000)
            }
        }
        try write(controller, file, text)
    }

    private func write(_ controller: String, _ file: String, _ text: String) throws(SystemError) {
        try Files.overwrite("\(directory(of: controller))/\(file)", text)
    }
}
