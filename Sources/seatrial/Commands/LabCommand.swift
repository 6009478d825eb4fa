import ArgumentParser
import LabCourse
import LabHistory
import LabReport
import SystemPackage

struct LabCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lab",
        abstract: "The course: guided labs, each with a prediction, an experiment and a grade.",
        discussion: """
            Examples:
              seatrial lab list
              seatrial lab show 01       the guide, to read
              seatrial lab run 01        asks, deploys, breaks, explains, grades
            """,
        subcommands: [List.self, Show.self, Run.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The labs there are.", usage: "seatrial lab list [<options>]",
            discussion: """
                Examples:
                  seatrial lab list
                  seatrial lab list --json
                """)

        @OptionGroup var place: PlaceOptions
        @OptionGroup var output: OutputOptions

        func run() throws {
            let labs = try LabCatalogue(folder: place.labsFolder).labs()
            guard !labs.isEmpty else {
                throw UsageError("\(place.labsFolder): no lab in it; name the folder with --labs")
            }
            if output.json { return try output.print(labs.map(Row.init)) }
            print(
                TextTable(
                    header: ["LAB", "TITLE", "MINUTES", "POINTS", "AIM"],
                    rows: labs.map { [$0.name, $0.title, "\($0.minutes)", "\($0.points)", $0.aim] }))
        }

        private struct Row: Encodable {
            var lab: String
            var title: String
            var minutes: Int
            var points: Int
            var aim: String

            init(_ lab: Lab) {
                self.lab = lab.name
                title = lab.title
                minutes = lab.minutes
                points = lab.points
                aim = lab.aim
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "A lab's guide and its questions.", usage: "seatrial lab show <lab> [<options>]",

            discussion: """
                Examples:
                  seatrial lab show 01
                  seatrial lab show 01 --template > mine/answers.yaml
                """)

        @Argument(help: "Number or name of the lab.") var lab: String
        @Flag(help: "Print an answers.yaml to be filled in, instead.") var template = false
        @OptionGroup var place: PlaceOptions

        func run() throws {
            let lab = try LabCatalogue(folder: place.labsFolder).lab(lab)
            if template { return print(AnswersTemplate(lab)) }
            print(lab.guide)
            print("Questions (answered before the experiment):")
            for question in lab.questions { print("\n\(QuestionText(question))") }
        }
    }

    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Run a lab: predict, deploy, break, heal, check, grade.",
            usage: "seatrial lab run <lab> [<options>]",
            discussion: """
                On a terminal it asks you the lab's questions first; elsewhere it takes the
                answers from --answers, or the lab's own with --yes.

                Examples:
                  seatrial lab run 01
                  seatrial lab run 01 --yes                with the lab's own solution
                  seatrial lab run 01 --answers mine/      with yours
                  seatrial lab run 01 --dry-run            only print what would be done
                """)

        @Argument(help: "Number or name of the lab.") var lab: String
        @Flag(help: "Ask nothing: the answers are the lab's own solution, unless --answers names others.") var yes =
            false
        @Option(help: ArgumentHelp("A submission: a folder with answers.yaml.", valueName: "folder")) var answers:
            String?
        @Option(
            help: ArgumentHelp(
                "Run one of the lab's negative controls instead: a run whose verdict is known beforehand.",
                valueName: "name"))
        var control: String?
        @Flag(help: "Show the hint of every question that was answered wrongly.") var hints = false
        @Flag(name: .customLong("dry-run"), help: "Print what would be deployed and done, and do nothing.") var dryRun =
            false
        @OptionGroup var trial: TrialOptions
        @OptionGroup var output: ReportOptions
        @OptionGroup var inventory: InventoryOptions
        @OptionGroup var place: PlaceOptions

        func run() async throws {
            let lab = try LabCatalogue(folder: place.labsFolder).lab(lab)
            let control = try control.map { try lab.control(named: $0) }
            let plan = control?.trial ?? lab.trial
            let laboratory = try Laboratory(trial: trial, inventory: inventory, place: place)
            guard !dryRun else {
                if answers != nil { _ = try submission(for: lab) }
                print(try laboratory.deployment(of: plan))
                print(try ScheduleText(plan, on: laboratory.deployment(of: plan), seed: trial.seed ?? 1))
                return
            }
            // Whoever can't be served by this machine should know before answering eight questions.
            try laboratory.check(plan)
            try await laboratory.checkHosts(plan)
            let submission = try submission(for: lab)
            let report = try await laboratory.grade(submission, of: lab, by: plan, control: control?.name)
            try output.print(report, showsHints: hints)
            if let control { Terminal.progress(ControlText.compare(control, with: report)) }
            if answers == nil, !yes, let afterwards = lab.afterwards { print("\n\(afterwards)") }
            throw ExitCode(report.status.exitStatus)
        }

        private func submission(for lab: Lab) throws -> Submission {
            if let answers {
                // The file itself names its folder, too.
                let given = FilePath(answers)
                let isFile = given.lastComponent?.string == "answers.yaml"
                return try Submission(folder: isFile ? given.pushing("..").lexicallyNormalized() : given, lab: lab)
            }
            guard yes || !Terminal.isInteractive else { return try Interview(lab: lab).submission() }
            if yes {
                Terminal.progress(
                    "the answers are the lab's own; try yours with 'seatrial lab run \(lab.name.prefix { $0 != "-" })'")
            }
            guard yes else {
                throw UsageError(
                    "this is no terminal, so nobody can be asked: name your answers with --answers FOLDER, or take the lab's own with --yes"
                )
            }
            return try lab.solution()
        }
    }
}
