import LabText
import SystemPackage

/// A submission of the lab's own that must lose exactly the points that it names.
public struct WrongSubmission: Sendable, Equatable {
    /// The folder's name in `wrong/`.
    public var name: String
    public var why: String
    public var submission: Submission
    /// Points that it must lose, by check; every check that is not named must be won in full.
    public var loses: [String: Int]
}

extension Lab {
    private struct ExpectedFile: Decodable {
        var why: String
        var loses: [String: Int]
    }

    /// The submission that must score full marks.
    public func solution() throws(CourseError) -> Submission {
        try Submission(folder: folder.appending("solution"), lab: self)
    }

    /// The submissions from `wrong/`, by name.
    public func wrongSubmissions() throws(CourseError) -> [WrongSubmission] {
        let root = folder.appending("wrong")
        guard CourseFile.exists(root) else { return [] }
        var all: [WrongSubmission] = []
        for name in try CourseFile.entries(of: root) {
            let folder = root.appending(name)
            let yaml = try LabLoader.yaml("expected.yaml", in: folder)
            try yaml.checkKeys(of: yaml.root, among: ["why", "loses"], "an expectation")
            if let loses = yaml.root["loses"] {
                try yaml.checkKeys(of: loses, among: questions.map(\.id) + checks.map(\.id), "the lost points")
            }
            let expected = try yaml.decode(ExpectedFile.self)
            all.append(
                WrongSubmission(
                    name: name, why: expected.why, submission: try Submission(folder: folder, lab: self),
                    loses: expected.loses))
        }
        return all
    }
}
