/// All loans of a host, and those that nothing could be learnt of or done about.
///
/// One that fails never hides the others: whoever heals goes on, and each failure is named here.
public struct FaultSweep: Codable, Sendable, Equatable {
    /// What the host remembers, by uid.
    public var records: [FaultRecord]
    /// Loans whose record could not be read, or that could not be healed; by uid.
    public var failures: [FaultFailure]

    /// An outcome of looking at, or healing, all loans.
    public init(records: [FaultRecord], failures: [FaultFailure]) {
        self.records = records
        self.failures = failures
    }
}

/// One loan that could not be dealt with.
public struct FaultFailure: Codable, Sendable, Equatable, CustomStringConvertible {
    /// The loan's name, taken from its file where its record can't be read.
    public var uid: String
    /// What went wrong there, with the way out.
    public var message: String

    /// A failure of a named loan.
    public init(uid: String, message: String) {
        self.uid = uid
        self.message = message
    }

    public var description: String { "fault '\(uid)': \(message)" }
}
