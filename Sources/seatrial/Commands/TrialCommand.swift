import ArgumentParser
import LabHistory
import LabTrials
import SystemPackage

struct TrialCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trial",
        abstract: "Trials without a lesson: a plan, run as often as you like.",
        discussion: """
            Examples:
              seatrial trial run labs/trials/power-loss-sync.yaml
              seatrial trial run labs/trials/power-loss-async.yaml --rounds 20 --seed 1
            """,
        subcommands: [Run.self])

    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Run a trial's plan in rounds, and judge each.",
            usage: "seatrial trial run <plan> [<options>]",
            discussion: """
                Every round is a run of its own, with its own seed; 'seatrial check' judges it again.
                A round that breaks off is marked, and the next one begins; two in a row end the command.
                The exit status is that of the worst round, and at least 2 when no round showed what the plan must show.

                Examples:
                  seatrial trial run labs/trials/power-loss-sync.yaml --rounds 20
                  seatrial trial run labs/trials/kill-async.yaml --rounds 50 --json
                  seatrial trial run labs/trials/kill-sync.yaml --dry-run
                """)

        @Argument(help: ArgumentHelp("A trial's plan, as it stands under 'trial:' in a lab.yaml.", valueName: "plan"))
        var plan: String
        @Option(help: "How many rounds.") var rounds = 1
        @Flag(name: .customLong("dry-run"), help: "Print what would be deployed and done, and do nothing.") var dryRun =
            false
        @OptionGroup var trial: TrialOptions
        @OptionGroup var output: OutputOptions
        @OptionGroup var inventory: InventoryOptions
        @OptionGroup var place: PlaceOptions

        func validate() throws {
            guard (1...100_000).contains(rounds) else {
                throw ValidationError("--rounds \(rounds) is out of range (expected 1 to 100000)")
            }
            guard rounds == 1 || !trial.keep else {
                throw ValidationError("--keep leaves the cluster up, which the next round can't use (--rounds 1)")
            }
        }

        func run() async throws {
            let file = FilePath(plan)
            let plan = try TrialPlan.load(file)
            let laboratory = try Laboratory(trial: trial, inventory: inventory, place: place)
            guard !dryRun else {
                print(try laboratory.deployment(of: plan))
                print(try ScheduleText(plan, on: laboratory.deployment(of: plan), seed: trial.seed ?? 1))
                return
            }
            try laboratory.check(plan)
            try await laboratory.checkHosts(plan)
            let first = trial.seed ?? UInt64.random(in: 1...999_999)
            var table = RoundTable(
                plan: file.stem ?? "trial", firstSeed: first, wanted: rounds, judge: RoundsJudge(plan))
            // One round's news stand above its table, and not in it.
            if !output.json, rounds > 1 { print(RoundTable.header) }
            var ending: (any Error)?
            do {
                try await runRounds(of: plan, in: laboratory, into: &table)
            } catch {
                // What the rounds before it came to is told all the same.
                ending = error
            }
            if output.json { try output.print(table) } else if !table.rows.isEmpty { print(table.summary) }
            throw ending ?? ExitCode(table.judge.status.exitStatus)
        }

        /// Rounds that may break off one after the other; then the lab is broken, and not a round.
        private static let brokenRounds = 2

        private func runRounds(
            of plan: TrialPlan, in laboratory: Laboratory, into table: inout RoundTable
        ) async throws {
            var brokenInARow = 0
            for round in 1...rounds {
                try Task.checkCancellation()
                let seed = table.firstSeed &+ UInt64(round - 1)
                let start = ContinuousClock.now
                do {
                    let run = try await judge(plan, in: laboratory, seed: seed)
                    table.rows.append(RoundTable.Row(round, run, seconds: start.duration(to: .now)))
                    table.judge.take(run.verdict)
                    brokenInARow = 0
                } catch {
                    let unjudged = error as? UnjudgedRun
                    let cause = unjudged?.cause ?? error
                    // Whoever broke it off knows; there is no round to tell of.
                    if Task.isCancelled { throw cause }
                    table.rows.append(
                        RoundTable.Row(
                            round, seed: seed, broken: cause, run: unjudged?.runID, seconds: start.duration(to: .now)))
                    table.judge.takeBroken()
                    if rounds == 1 { throw cause }
                    brokenInARow += 1
                }
                if let row = table.rows.last {
                    if !output.json, rounds == 1 { print(RoundTable.header) }
                    if output.json { Terminal.progress("round \(row)") } else { print(row) }
                }
                Terminal.flushOutput()
                guard brokenInARow < Self.brokenRounds else { return }
            }
        }

        private func judge(_ plan: TrialPlan, in laboratory: Laboratory, seed: UInt64) async throws -> JudgedRun {
            let lines = ProgressLines()
            let isAlone = rounds == 1
            defer { lines.end() }
            do {
                return try await laboratory.judge(plan, as: FilePath(self.plan).stem ?? "trial", seed: seed) { news in
                    if isAlone { lines.show(news) } else if case .load = news { lines.show(news) }
                }
            } catch let error as UnjudgedRun {
                if error.isRecorded { Terminal.progress("'seatrial check last' shows what was recorded") }
                throw error
            }
        }
    }
}
