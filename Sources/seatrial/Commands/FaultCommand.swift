import ArgumentParser
import LabAgent
import LabChaos
import LabCluster
import LabInventory

struct FaultCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fault",
        abstract: "Break something on purpose, for a time: networks, processes, disks.",
        discussion: """
            A fault is a loan: the host writes down how to undo it, does it, and undoes it by itself when its time is over,
            whatever becomes of this program.

            Examples:
              seatrial fault catalogue
              seatrial fault apply isolate broker-a --ttl 30
              seatrial fault apply pause one:masters --ttl 10
              seatrial fault list
              seatrial fault heal --all      the kill switch
            """,
        subcommands: [Apply.self, List.self, Revert.self, Heal.self, Catalogue.self])

    struct Apply: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lend a fault to the hosts, and see that it bites.",
            usage: "seatrial fault apply <kind> [<target>] --ttl <seconds> [<options>]",
            discussion: """
                A target is a daemon or host, several of them ('broker-a,ns-1'), a pool (daemons, nameservers, brokers, masters,
                slaves, hosts, slave-of:NAME), or some of one (one:, minority:, majority:, 50%:).

                Examples:
                  seatrial fault apply isolate broker-a --ttl 30
                  seatrial fault apply halves minority:hosts --ttl 30 --answer reject
                  seatrial fault apply isolate one:masters --ttl 30 --dry-run
                """)

        @Argument(help: ArgumentHelp("What is done; 'seatrial fault catalogue' lists it.", valueName: "kind"))
        var kind: String
        @Argument(
            help: ArgumentHelp("Whom it strikes (default: the kind's own, where it has one).", valueName: "target"))
        var target: String?
        @Option(help: ArgumentHelp("The hosts undo it after so long.", valueName: "seconds")) var ttl: Double
        @Option(help: "What becomes of packets that are cut off: drop or reject.") var answer: String?
        @Option(help: "Where clients stand in isolate and halves: near (the targets' side) or far.") var clients:
            String?
        @Option(help: "The signal of process-signal, as in KILL or WINCH.") var signal: String?
        @Option(help: "Seed of the choice of targets (default: drawn, and printed).") var seed: UInt64?
        @Flag(name: .customLong("dry-run"), help: "Print what each host would do, and do nothing.") var dryRun = false
        @OptionGroup var inventory: InventoryOptions
        @OptionGroup var place: PlaceOptions
        @OptionGroup var output: OutputOptions

        func validate() throws {
            guard (0.001...86_400).contains(ttl) else {
                throw ValidationError("--ttl \(ttl) is out of range (expected 0.001 to 86400 seconds)")
            }
            _ = try plan()
        }

        private func plan() throws -> FaultPlan {
            let kind = try Self.word(kind, FaultPlan.Kind.self, "kind")
            guard let target = target ?? kind.usualTarget else {
                throw ValidationError(
                    "\(kind.rawValue) needs a target (a daemon, a host, or a choice as 'one:masters')")
            }
            return FaultPlan(
                id: kind.rawValue, kind: kind, target: target, signal: signal, ttlSeconds: ttl,
                answer: try answer.map { try Self.word($0, NetworkFault.Answer.self, "--answer") },
                clients: try clients.map { try Self.word($0, FaultPlan.Clients.self, "--clients") })
        }

        private static func word<Word: RawRepresentable & CaseIterable>(
            _ text: String, _ type: Word.Type, _ name: String
        ) throws -> Word where Word.RawValue == String {
            guard let word = Word(rawValue: text) else {
                let known = Word.allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("\(name) '\(text)' is none of \(known)")
            }
            return word
        }

        func run() async throws {
            let plan = try plan()
            let seed = seed ?? UInt64.random(in: 1...999_999)
            let hosts = try inventory.selected(place)
            try inventory.requireAccess(place)
            try inventory.requirePower(of: hosts, place)
            let bench = try await FaultBench.open(hosts, agent: place.agentBinary, looksOnly: dryRun)
            do {
                let order = try FaultOrder(plan, on: bench.roster, seed: seed)
                if dryRun {
                    print(order.text())
                    print("seed \(seed)")
                } else {
                    if plan.kind.family == .disk,
                        let reason = order.parts.compactMap(\.host.reasonAgainstDiskFaults).first
                    {
                        throw UsageError(reason)
                    }
                    try tell(try await bench.apply(order), seed)
                }
            } catch {
                await bench.fleet.close()
                throw error
            }
            await bench.fleet.close()
        }

        private func tell(_ applied: FaultBench.Applied, _ seed: UInt64) throws {
            guard !output.json else { return try output.print(applied) }
            print("\(applied.uid): \(applied.fault) on \(applied.target), for \(ttl) s at most (seed \(seed))")
            print("  applied and verified in \(Int(applied.milliseconds.rounded())) ms")
            for part in applied.hosts { print("  \(part.host): \(part.record.message ?? "it bit")") }
            if !applied.silentHere.isEmpty {
                print("  from here: no answer from \(applied.silentHere.joined(separator: ", "))")
            }
            print("'seatrial fault revert \(applied.uid)' ends it before its time")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The faults that the hosts remember, and the state of each.",
            usage: "seatrial fault list [<options>]",
            discussion: "Example: seatrial fault list -i hosts.yaml")

        @OptionGroup var inventory: InventoryOptions
        @OptionGroup var place: PlaceOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let hosts = try inventory.selected(place)
            try inventory.requireAccess(place)
            let status = try await FleetStatus.read(hosts, agent: place.agentBinary)
            let sweeps = status.rows.map {
                FaultSweepOfHost(host: $0.host, sweep: FaultSweep(records: $0.faults, failures: []))
            }
            if output.json { try output.print(sweeps) } else { print(FaultTable(sweeps)) }
            for row in status.rows where !row.isAnswered { Terminal.complain("host '\(row.host)': \(row.state)") }
            for row in status.rows {
                for trouble in row.troubles { Terminal.complain("host '\(row.host)': \(trouble)") }
            }
            guard status.isComplete else { throw ExitCode(Exit.labError) }
        }
    }

    struct Revert: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End one fault before its time, on every host that has it.",
            usage: "seatrial fault revert <uid> [<options>]",
            discussion: "Example: seatrial fault revert isolate-2839102")

        @Argument(help: "The fault's name, as 'seatrial fault list' tells it.") var uid: String
        @OptionGroup var inventory: InventoryOptions
        @OptionGroup var place: PlaceOptions
        @OptionGroup var output: OutputOptions

        func run() async throws { try await FaultCommand.heal(uid, inventory, place, output) }
    }

    struct Heal: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The kill switch: end every fault on every host; again is harmless.",
            usage: "seatrial fault heal --all [<options>]",
            discussion: "Example: seatrial fault heal --all -i hosts.yaml")

        @Flag(help: "Every fault there is; one is ended by 'fault revert'.") var all = false
        @OptionGroup var inventory: InventoryOptions
        @OptionGroup var place: PlaceOptions
        @OptionGroup var output: OutputOptions

        func validate() throws {
            guard all else {
                throw ValidationError("say --all for every fault, or 'seatrial fault revert UID' for one")
            }
        }

        func run() async throws { try await FaultCommand.heal(nil, inventory, place, output) }
    }

    struct Catalogue: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What can be broken.", usage: "seatrial fault catalogue [<options>]",
            discussion: "Example: seatrial fault catalogue --json")

        @OptionGroup var output: OutputOptions

        func run() throws {
            let kinds = FaultPlan.Kind.allCases
            if output.json {
                try output.print(
                    kinds.map {
                        [
                            "kind": $0.rawValue, "family": $0.family.rawValue, "summary": $0.summary,
                            "target": $0.usualTarget ?? "",
                        ]
                    })
                return
            }
            print(
                TextTable(
                    header: ["WHAT", "KIND", "TARGET", "DOES"],
                    rows: kinds.map {
                        [$0.family.rawValue, $0.rawValue, $0.usualTarget ?? "(to be named)", $0.summary]
                    }))
        }
    }

    /// Heals and tells; a host that can't be reached keeps no other from being healed.
    private static func heal(
        _ uid: String?, _ inventory: InventoryOptions, _ place: PlaceOptions, _ output: OutputOptions
    ) async throws {
        let hosts = try inventory.selected(place)
        try inventory.requireAccess(place)
        CleanUp.begin()
        let healing = try await FaultBench.heal(uid, on: hosts, agent: place.agentBinary)
        let sweeps = healing.sweeps
        if output.json {
            try output.print(healing)
        } else if sweeps.allSatisfy({ $0.sweep.records.isEmpty }) {
            print("no fault was there")
        } else {
            print(FaultTable(sweeps))
            print("in \(Int(healing.milliseconds.rounded())) ms")
        }
        for sweep in sweeps {
            for failure in sweep.sweep.failures { Terminal.complain("host '\(sweep.host)': \(failure)") }
        }
        for line in healing.away { Terminal.complain(line) }
        guard healing.away.isEmpty, !sweeps.contains(where: \.isOpen) else { throw ExitCode(Exit.labError) }
    }
}

/// Faults of several hosts, a line each.
struct FaultTable: CustomStringConvertible {
    let sweeps: [FaultSweepOfHost]

    init(_ sweeps: [FaultSweepOfHost]) { self.sweeps = sweeps }

    var description: String {
        let rows = sweeps.flatMap { sweep in
            sweep.sweep.records.map { record in
                [sweep.host, record.loan.uid, record.state.rawValue, record.message ?? ""]
            }
        }
        return rows.isEmpty
            ? "no fault is remembered" : "\(TextTable(header: ["HOST", "FAULT", "STATE", "SEEN"], rows: rows))"
    }
}
