/// What one check of a lab came to; every format is derived from this record and from nothing else.
public struct CheckRecord: Sendable, Equatable {
    public enum Status: String, Sendable, Equatable, CaseIterable {
        case pass, fail
        /// Not looked at, because a check that it depends on did not pass.
        case skip
        /// The lab broke; nothing is said of the learner.
        case error
        /// Could not be told from this run; `rationale` names what to run again.
        case inconclusive
    }

    /// When a learner may see it; the names are Gradescope's.
    public enum Visibility: String, Sendable, Equatable, CaseIterable {
        case visible, hidden
        case afterDueDate = "after_due_date"
        case afterPublished = "after_published"
    }

    /// Unique in its lab, as `survives-kill`.
    public var id: String
    /// The lab's folder name, as `01-first-message`.
    public var lab: String
    /// Which step of the lab it belongs to, as `predict`.
    public var step: String
    public var title: String
    public var points: Int
    public var maximum: Int
    public var status: Status
    /// Why it came to that, in a sentence.
    public var rationale: String
    /// Shown only when the learner asks for it.
    public var hint: String?
    public var expected: String?
    public var actual: String?
    /// The evidence in plain words.
    public var evidence: [String]
    /// Lines of the run's history that show it.
    public var lines: [Int]
    /// Ids of the checks that had to pass first.
    public var dependsOn: [String]
    public var visibility: Visibility

    public init(
        id: String, lab: String, step: String, title: String, points: Int, maximum: Int, status: Status,
        rationale: String, hint: String? = nil, expected: String? = nil, actual: String? = nil,
        evidence: [String] = [], lines: [Int] = [], dependsOn: [String] = [], visibility: Visibility = .visible
    ) {
        precondition((0...maximum).contains(points), "check \(id): \(points) of \(maximum) points")
        self.id = id
        self.lab = lab
        self.step = step
        self.title = title
        self.points = points
        self.maximum = maximum
        self.status = status
        self.rationale = rationale
        self.hint = hint
        self.expected = expected
        self.actual = actual
        self.evidence = evidence
        self.lines = lines
        self.dependsOn = dependsOn
        self.visibility = visibility
    }
}
