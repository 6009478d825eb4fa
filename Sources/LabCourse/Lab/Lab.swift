public import LabTrials
public import SystemPackage

/// One lab of the course: data from its folder, needing no Swift to write.
public struct Lab: Sendable, Equatable {
    /// A stretch of the lab that the guide and the report name.
    public struct Step: Sendable, Equatable, Decodable {
        public var id: String
        public var title: String
    }

    /// The folder's name, as `01-first-message`.
    public var name: String
    public var number: Int
    public var title: String
    /// What the learner finds, in a sentence.
    public var aim: String
    /// How long it takes a learner, reading included.
    public var minutes: Int
    /// The guide's Markdown, to be read before the predictions.
    public var guide: String
    /// What to read once the run is graded: it gives the answers away. Nil when the lab has none.
    public var afterwards: String?
    public var steps: [Step]
    public var questions: [Question]
    public var checks: [ExperimentCheck]
    public var trial: TrialPlan
    public var folder: FilePath

    /// Points that a perfect submission on a sound run gets.
    public var points: Int {
        questions.reduce(0) { $0 + $1.points } + checks.reduce(0) { $0 + $1.points }
    }
}

/// A run whose verdict is known beforehand, by which the lab's own checks are tried.
public struct Control: Sendable, Equatable {
    /// The file's name without `.yaml`, as `store-wiped`.
    public var name: String
    public var why: String
    /// The lab's trial with the control's parts in place of its own.
    public var trial: TrialPlan
    public var expected: ExpectedVerdict
}

/// What a control's run must be judged.
public struct ExpectedVerdict: Sendable, Equatable, Decodable {
    public var status: String
    /// A finding that must be among the verdict's.
    public var finding: String?
}
