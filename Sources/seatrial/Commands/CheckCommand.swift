import ArgumentParser
import LabHistory
import LabReport
import LabTrials

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Judge an old run again, offline, from its history alone.",
        usage: "seatrial check <run> [<options>]",
        discussion: """
            Examples:
              seatrial check last
              seatrial check .seatrial/runs/20261122T224315Z-01-first-message-4711
              seatrial check 20261122T22 --json          the run whose name begins so
            """)

    @Argument(help: ArgumentHelp("A run: its folder, its name, the beginning of it, or 'last'.", valueName: "run"))
    var wanted: String
    @OptionGroup var place: PlaceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let folder = try RunChoice(place).folder(wanted)
        let (verdict, manifest) = try Judgement.judge(folder)
        if output.json {
            print(JSONReport.text(verdict))
        } else {
            print("run \(manifest.runID): \(manifest.lab), mode \(manifest.mode), seed \(manifest.seed)")
            print(TerminalReport(usesColor: Terminal.usesColour).text(verdict), terminator: "")
        }
        throw ExitCode(verdict.status.exitStatus)
    }
}

struct RunsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runs",
        abstract: "The runs that were recorded here, oldest first.",
        usage: "seatrial runs [<options>]",
        discussion: """
            VERDICT is what a run was judged to be when it ended; 'seatrial check' judges
            it again.

            Examples:
              seatrial runs
              seatrial runs --json
            """)

    @OptionGroup var place: PlaceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let runs = try RunFolder.all(under: place.runsFolder).map { try Row($0) }
        if output.json { return try output.print(runs) }
        guard !runs.isEmpty else {
            print("no runs yet in \(place.runsFolder)")
            return
        }
        let rows = runs.map {
            [$0.run, $0.lab, $0.control ?? "-", $0.mode, "\($0.seed)", $0.state, $0.verdict ?? "-"]
        }
        print(TextTable(header: ["RUN", "LAB", "CONTROL", "MODE", "SEED", "STATE", "VERDICT"], rows: rows))
    }

    /// One run, for a person and for a machine.
    private struct Row: Encodable {
        var run: String
        var lab: String
        var control: String?
        var mode: String
        var seed: UInt64
        var state: String
        var verdict: String?

        init(_ folder: RunFolder) throws {
            let manifest = try folder.manifest()
            run = manifest.runID
            lab = manifest.lab
            control = manifest.control
            mode = manifest.mode
            seed = manifest.seed
            state = folder.wasKilled(manifest) ? "incomplete (killed)" : manifest.state.rawValue
            verdict = folder.keptVerdict
        }
    }
}
