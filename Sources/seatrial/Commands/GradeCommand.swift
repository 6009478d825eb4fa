import ArgumentParser
import Glibc
import LabCourse
import LabHistory
import LabReport
import SystemPackage

struct GradeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grade",
        abstract: "Grade submissions: run each one's lab and hold its answers against what happened.",
        usage: "seatrial grade <folder> [<options>]",
        discussion: """
            A submission is a folder with answers.yaml; a folder of such folders
            is a class, in which a folder without answers.yaml is an error.

            Examples:
              seatrial grade submissions/ --format junit > grades.xml
              seatrial grade submissions/ana --format json
              seatrial grade labs/01-first-message/solution
            """)

    @Argument(help: "A submission, or a folder of them.") var folder: String
    @OptionGroup var trial: TrialOptions
    @OptionGroup var output: ReportOptions
    @OptionGroup var inventory: InventoryOptions
    @OptionGroup var place: PlaceOptions

    func run() async throws {
        let folders = try submissions()
        let catalogue = try LabCatalogue(folder: place.labsFolder)
        let laboratory = try Laboratory(trial: trial, inventory: inventory, place: place)
        try inventory.requireAccess(place)
        var reports: [GradeReport] = []
        for folder in folders {
            Terminal.progress("grading \(folder)")
            reports.append(try await grade(folder, of: catalogue, in: laboratory))
        }
        try output.print(reports)
        throw ExitCode(reports.map(\.status).reduce(VerdictStatus.pass) { $0.merged(with: $1) }.exitStatus)
    }

    /// A submission that can't be read is a grade of its own, which says why: it must not cost the class theirs.
    private func grade(
        _ folder: FilePath, of catalogue: LabCatalogue, in laboratory: Laboratory
    ) async throws -> GradeReport {
        let lab: Lab
        let submission: Submission
        do {
            lab = try catalogue.lab(Submission.labName(folder: folder))
            submission = try Submission(folder: folder, lab: lab)
        } catch {
            let named = (try? Submission.labName(folder: folder)).flatMap { try? catalogue.lab($0).name }
            return GradeReport(
                lab: named ?? Self.unknownLab, title: "A submission that can't be graded", submission: folder.string,
                records: [
                    CheckRecord(
                        id: "submission", lab: named ?? Self.unknownLab, step: "submission",
                        title: "The submission can be read",
                        points: 0,
                        maximum: 0, status: .error, rationale: "\(error)")
                ], verdict: nil)
        }
        do {
            return try await laboratory.grade(submission, of: lab, by: lab.trial)
        } catch {
            // One broken run must not cost the class its grades; whoever interrupts ends it all.
            if Task.isCancelled || error is CancellationError || error is UsageError { throw error }
            return GradeReport(
                lab: lab.name, title: lab.title, submission: submission.name,
                records: [
                    CheckRecord(
                        id: "run", lab: lab.name, step: "run", title: "The lab could be run", points: 0,
                        maximum: lab.points, status: .error, rationale: "\(error)")
                ], verdict: nil)
        }
    }

    /// The lab of a submission that does not say which one it is for.
    private static let unknownLab = "unknown-lab"

    private func submissions() throws(UsageError) -> [FilePath] {
        let path = FilePath(folder)
        var status = stat()
        guard stat(path.string, &status) == 0 else { throw UsageError("\(folder): no such folder") }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw UsageError("\(folder): this is a file; name the folder that it is in")
        }
        if Self.isReadable(path.appending("answers.yaml")) { return [path] }
        // Whoever has handed in anything is in the class, and is told what is missing.
        let found = FolderListing.names(path).filter { !$0.hasPrefix(".") }.map { path.appending($0) }
            .filter(Self.isFolder)
        guard found.contains(where: { Self.isReadable($0.appending("answers.yaml")) }) else {
            throw UsageError(
                "\(folder): no answers.yaml in it, nor in a folder of it; 'seatrial lab show 01 --template' prints one to be filled in"
            )
        }
        return found
    }

    private static func isFolder(_ path: FilePath) -> Bool {
        var status = stat()
        return stat(path.string, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func isReadable(_ path: FilePath) -> Bool { access(path.string, R_OK) == 0 }
}
