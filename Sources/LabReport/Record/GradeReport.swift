public import LabHistory

/// A graded submission: its records, and the run that they rest on.
public struct GradeReport: Sendable, Equatable {
    /// The lab's folder name, as `01-first-message`.
    public var lab: String
    public var title: String
    /// Whose work it is, as the caller names it: a folder, or `interactive`.
    public var submission: String
    public var records: [CheckRecord]
    /// What the run proved; nil when there was no run.
    public var verdict: Verdict?
    /// Where the run's history and logs are.
    public var runFolder: String?
    /// Wall clock of the grading, in milliseconds since 1970; the caller's clock.
    public var gradedAtMilliseconds: Int64?
    /// How long the run and its grading took.
    public var durationMilliseconds: Int64?

    public init(
        lab: String, title: String, submission: String, records: [CheckRecord], verdict: Verdict?,
        runFolder: String? = nil, gradedAtMilliseconds: Int64? = nil, durationMilliseconds: Int64? = nil
    ) {
        self.lab = lab
        self.title = title
        self.submission = submission
        self.records = records
        self.verdict = verdict
        self.runFolder = runFolder
        self.gradedAtMilliseconds = gradedAtMilliseconds
        self.durationMilliseconds = durationMilliseconds
    }

    public var score: Int { records.reduce(0) { $0 + $1.points } }
    public var maximum: Int { records.reduce(0) { $0 + $1.maximum } }

    /// Points that this run could not decide: neither won nor lost before it is run again.
    public var undecided: Int {
        records.filter { $0.status == .inconclusive || $0.status == .error }.reduce(0) { $0 + $1.maximum - $1.points }
    }

    /// The worst of the records and of the run; its `exitStatus` is the command's.
    public var status: VerdictStatus {
        records.map(\.verdictStatus).reduce(verdict?.status ?? .pass) { $0.merged(with: $1) }
    }

    public func count(_ status: CheckRecord.Status) -> Int {
        records.count { $0.status == status }
    }
}

extension CheckRecord {
    /// A skipped check decides nothing: the one it waited for already does.
    var verdictStatus: VerdictStatus {
        switch status {
        case .pass, .skip: .pass
        case .fail: .fail
        case .error: .error
        case .inconclusive: .inconclusive
        }
    }
}
