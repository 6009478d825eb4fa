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
        let (verdict, manifest) = try Judgement.judge(folder, isAlive: Processes.isAlive)
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
        usage: "seatrial runs [<options>]", discussion: "Example: seatrial runs")

    @OptionGroup var place: PlaceOptions

    func run() throws {
        let folders = RunFolder.all(under: place.runsFolder)
        guard !folders.isEmpty else {
            print("no runs yet")
            return
        }
        let rows = try folders.map { folder in
            let manifest = try folder.manifest()
            let state = manifest.wasKilled(isAlive: Processes.isAlive) ? "incomplete (killed)" : manifest.state.rawValue
            return [manifest.runID, manifest.lab, manifest.mode, "\(manifest.seed)", state]
        }
        print(TextTable(header: ["RUN", "LAB", "MODE", "SEED", "STATE"], rows: rows))
    }
}
