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
        discussion: """
            A submission is a folder with answers.yaml; a folder of such folders is a class.

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
        // All are read before the first is run: a typing error in the last must not cost the time of the others.
        let work = try folders.map { folder in
            let lab = try catalogue.lab(Submission.labName(folder: folder))
            return (lab: lab, submission: try Submission(folder: folder, lab: lab))
        }
        var status = VerdictStatus.pass
        var reports: [GradeReport] = []
        for (lab, submission) in work {
            Terminal.progress("grading \(submission.name)")
            let report = try await laboratory.grade(submission, of: lab, by: lab.trial)
            status = status.merged(with: report.status)
            reports.append(report)
        }
        try output.print(reports)
        throw ExitCode(status.exitStatus)
    }

    private func submissions() throws -> [FilePath] {
        let path = FilePath(folder)
        if Self.isReadable(path.appending("answers.yaml")) { return [path] }
        guard let directory = opendir(path.string) else {
            throw UsageError("\(folder): no such folder")
        }
        defer { closedir(directory) }
        var found: [FilePath] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            let inner = path.appending(name)
            if name != ".", name != "..", Self.isReadable(inner.appending("answers.yaml")) { found.append(inner) }
        }
        guard !found.isEmpty else {
            throw UsageError(
                "\(folder): no answers.yaml in it, nor in a folder of it; see 'seatrial lab show 01' for the questions")
        }
        return found.sorted { $0.string < $1.string }
    }

    private static func isReadable(_ path: FilePath) -> Bool { access(path.string, R_OK) == 0 }
}
