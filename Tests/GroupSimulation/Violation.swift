/// A promise that was broken in a life.
public struct Violation: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Promise: String, Sendable {
        /// Two brokers acknowledged in one epoch, or one of an older epoch after one of a newer.
        case oneMaster
        /// What was acknowledged is not in the log of a master while a majority's disks live.
        case nothingLost
        /// The same offset of the same epoch is another record in another log, or a table calls it another epoch.
        case logsAgree
        /// All is well again, and nothing is acknowledged.
        case recovers
    }

    public var promise: Promise
    /// When it was seen, in milliseconds.
    public var at: Int64
    public var detail: String

    public var description: String { "\(promise.rawValue) at \(at) ms: \(detail)" }
}
