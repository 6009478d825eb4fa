import Glibc
import LabCourse
import LabReport
import SystemPackage
import Testing

@Suite struct SubmissionTests {
    private static let good = "lab: 01-first-message\nanswers:\n  survives-kill: a\n"

    /// The error of reading this folder as a submission, the folder's path cut off; nil when it was taken.
    private func refusal(of scratch: Scratch) throws -> String? {
        let lab = try Project.lab01()
        do throws(CourseError) {
            _ = try Submission(folder: scratch.path, lab: lab)
            return nil
        } catch {
            #expect(!error.description.contains("\n"))
            #expect(error.file.hasPrefix(scratch.path.string))
            return String(error.description.dropFirst(scratch.path.string.utf8.count + 1))
        }
    }

    @Test func aPlainSubmissionIsTaken() throws {
        let scratch = try Scratch()
        try scratch.write(Self.good.utf8, to: "answers.yaml")
        #expect(try refusal(of: scratch) == nil)
    }

    @Test(arguments: [
        ("lab: 01-first-message\nanswers:\n\tsurvives-kill: a\n", "answers.yaml:3: a tab stands where"),
        (
            "lab: 01-first-message\nanswers:\n  survives-kil: a\n",
            "answers.yaml:3: unknown key 'survives-kil' in the answers; did you mean 'survives-kill'?"
        ),
        (
            "lab: 01-first-message\nanswer:\n  survives-kill: a\n",
            "answers.yaml:2: unknown key 'answer' in a submission; did you mean 'answers'?"
        ),
        ("lab: 01-first-message\n", "answers.yaml:1: 'answers' is missing"),
        ("answers: {}\n", "answers.yaml:1: 'lab' is missing"),
        ("lab: 02-registration\nanswers: {}\n", "answers.yaml:1: these answers are for '02-registration'"),
        ("lab: 01-first-message\nanswers: [a, b]\n", "answers.yaml:2: 'answers' is missing"),
        ("lab: 01-first-message\nanswers:\n  survives-kill: {a: b}\n", "answers.yaml:3: the answer to"),
        ("lab: 01-first-message\nanswers:\n  twice: a\n  twice: b\n", "answers.yaml:"),
        ("lab: &x 01-first-message\nanswers: {}\n", "answers.yaml:1: anchors"),
        ("lab: 01-first-message\nanswers:\n  twice: *x\n", "answers.yaml:3: anchors"),
        ("lab: 01-first-message\nanswers: \(String(repeating: "[", count: 500))\n", "answers.yaml:2: it nests too"),
        ("lab: 01-first-message\nanswers:\n\(String(repeating: "- ", count: 500))\n", "answers.yaml:3: it nests too"),
        ("lab: 01-first-message\nanswers:\n  twice: 'a\n", "answers.yaml:"),
        ("", "answers.yaml: it is empty"), ("just words\n", "answers.yaml:1: expected 'key: value'"),
        (String(repeating: "#", count: 70_000), "answers.yaml: it has more than the 65536 bytes"),
    ])
    func aBadSubmissionIsRefusedByFileAndLine(_ text: String, _ start: String) throws {
        let scratch = try Scratch()
        try scratch.write(text.utf8, to: "answers.yaml")
        let refusal = try #require(try refusal(of: scratch))
        #expect(refusal.hasPrefix(start), "\(refusal)")
    }

    @Test func nothingButAPlainFileIsRead() throws {
        let missing = try Scratch()
        #expect(try refusal(of: missing) == "answers.yaml: there is no such file or folder; check the path")
        let link = try Scratch()
        try #require(symlink("/etc/passwd", link.path.appending("answers.yaml").string) == 0)
        #expect(try refusal(of: link) == "answers.yaml: it is a symbolic link; put a plain file there")
        let pipe = try Scratch()
        try #require(mkfifo(pipe.path.appending("answers.yaml").string, 0o600) == 0)
        #expect(try refusal(of: pipe)?.contains("no regular file") == true)
        let folder = try Scratch()
        _ = try folder.folder("answers.yaml")
        #expect(try refusal(of: folder)?.contains("no regular file") == true)
        let binary = try Scratch()
        try binary.write([0xFF, 0xFE, 0x00], to: "answers.yaml")
        #expect(try refusal(of: binary)?.contains("not UTF-8") == true)
    }

    @Test func aLinkToAnothersFolderIsNoSubmission() throws {
        let scratch = try Scratch()
        let ada = try scratch.folder("ada")
        try scratch.write(Self.good.utf8, to: "answers.yaml", in: ada)
        let eve = scratch.path.appending("eve")
        try #require(symlink(ada.string, eve.string) == 0)
        let lab = try Project.lab01()
        #expect(try Submission(folder: ada, lab: lab).answers.count == 1)
        do throws(CourseError) {
            _ = try Submission(folder: eve, lab: lab)
            Issue.record("taken")
        } catch {
            #expect(error.description == "\(eve.string): it is a symbolic link; name the folder itself")
        }
        do throws(CourseError) {
            _ = try Submission(folder: scratch.path.appending("bob"), lab: lab)
            Issue.record("taken")
        } catch {
            #expect(error.code == .missingFile)
        }
    }

    /// Whatever a byte is changed to, the file is taken or refused, and nothing traps.
    @Test func damageIsTakenOrRefused() throws {
        let scratch = try Scratch()
        let lab = try Project.lab01()
        let good = Array(Self.good.utf8)
        for index in good.indices {
            for byte: UInt8 in [0, 0x09, 0x0A, 0x21, 0x26, 0x2A, 0x3A, 0x5B, 0x7B, 0x27, 0xFF] {
                var damaged = good
                damaged[index] = byte
                try scratch.write(damaged, to: "answers.yaml")
                do throws(CourseError) {
                    _ = try Submission(folder: scratch.path, lab: lab)
                } catch {
                    #expect(!error.description.contains("\n"))
                }
            }
        }
    }

    @Test func aMissingAnswerIsNamedWithItsPlace() throws {
        let scratch = try Scratch()
        try scratch.write(Self.good.utf8, to: "answers.yaml")
        let lab = try Project.lab01()
        let report = Grader.grade(lab, try Submission(folder: scratch.path, lab: lab), verdict: Runs.passed)
        let twice = try #require(report.records.first { $0.id == "twice" })
        #expect(twice.rationale.hasPrefix("\(scratch.path.string)/answers.yaml:2: no answer to 'twice'"))
        #expect(try Submission.labName(folder: scratch.path) == "01-first-message")
    }

    @Test func anUnreadableAnswerIsNamedWithItsPlace() throws {
        let scratch = try Scratch()
        try scratch.write((Self.good + "  twice: 'no\u{7}'\n").utf8, to: "answers.yaml")
        let lab = try Project.lab01()
        do throws(CourseError) {
            let report = Grader.grade(lab, try Submission(folder: scratch.path, lab: lab), verdict: Runs.passed)
            let twice = report.records.first { $0.id == "twice" }
            #expect(twice?.rationale.hasPrefix("\(scratch.path.string)/answers.yaml:4: 'no") == true)
        } catch {
            // The parser may refuse the control character itself, by its line.
            #expect(error.code == .badYAML)
        }
    }
}
