import ArgumentParser
import Dispatch
import Glibc
import MQStore
import SystemPackage

/// How long a store takes to open after its process was killed.
struct StoreRecovery {
    let command: StoreCommand

    private var load: StoreLoad {
        StoreLoad(folder: command.folder("recover"), bodyBytes: command.size, policy: .async)
    }

    /// Fills a store, says so with a line, and goes on appending until it is killed.
    func fill() throws {
        // Whoever started this holds the other end of its input: when that is gone, so is the reason to go on.
        DispatchQueue.global().async {
            var byte: UInt8 = 0
            while read(STDIN_FILENO, &byte, 1) > 0 {}
            _exit(1)
        }
        let load = load
        let store = try load.open()
        let total = (command.gib << 30) / load.recordBytes
        try load.append(total, to: store, inFlight: 4096)
        print("filled")
        fflush(nil)
        while true {
            try load.append(1000, to: store, inFlight: 256)
            usleep(1000)
        }
    }

    /// Each round fills a store in a process of its own, kills that while it appends, and opens what it left.
    func measure(_ interruption: Interruption) throws -> StoreOutcome {
        var seconds: [Double] = []
        var note = ""
        for _ in 0..<command.rounds {
            try fillAndKill(interruption)
            let start = ContinuousClock.now
            let store = try load.open()
            seconds.append((ContinuousClock.now - start) / .seconds(1))
            let report = store.recovery
            note =
                "\((report.logEnd - report.walkedFrom) >> 20) MiB of \(report.logEnd >> 20) walked, "
                + "\(report.rebuiltEntries) entries made anew"
            guard !report.wasCleanStop else {
                throw StoreTrouble("the store that was killed looks cleanly stopped")
            }
            store.close()
            remove(load.folder)
        }
        return StoreOutcome(
            name: "opening \(command.gib) GiB after a kill", unit: "s", ours: seconds, note: note)
    }

    private func fillAndKill(_ interruption: Interruption) throws {
        let ends = try FileDescriptor.pipe()
        let life = try FileDescriptor.pipe()
        defer {
            try? ends.readEnd.close()
            try? life.writeEnd.close()
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, life.readEnd.rawValue, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, ends.writeEnd.rawValue, STDOUT_FILENO)
        for end in [ends.readEnd, ends.writeEnd, life.readEnd, life.writeEnd] {
            posix_spawn_file_actions_addclose(&actions, end.rawValue)
        }
        let words = [
            "mqbench", "store", "--fill-until-killed", "--directory", command.directory, "--size", "\(command.size)",
            "--gib", "\(command.gib)",
        ]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        let status = posix_spawn(&pid, "/proc/self/exe", &actions, nil, &arguments, environ)
        try? ends.writeEnd.close()
        try? life.readEnd.close()
        guard status == 0 else { throw Errno(rawValue: status) }
        interruption.watch(pid)
        var byte: UInt8 = 0
        let count = read(ends.readEnd.rawValue, &byte, 1)
        interruption.endChild()
        guard count == 1 else { throw StoreTrouble("the store could not be filled") }
    }
}
