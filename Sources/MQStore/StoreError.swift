public import SystemPackage

/// What can go wrong in a store: what was tried, on which file, and what the system said.
public struct StoreError: Error, Sendable, CustomStringConvertible {
    /// What kind of trouble it is; constant text, fit for a metric.
    public enum Code: String, Sendable {
        /// A system call on a file failed.
        case inputOutput = "file operation failed"
        /// The disk cannot read a place that it has; others may be read.
        case unreadable = "a place of the disk cannot be read"
        /// The disk is full; reads go on.
        case diskFull = "disk full"
        /// A file does not have the size or name that the configuration asks for.
        case layout = "store files do not fit the configuration"
        /// A file can be read, and does not hold what it should.
        case broken = "the file is broken"
        /// There is no store where one was named.
        case noStore = "no store here"
        /// The store was stopped or never started.
        case closed = "store is closed"
        /// An earlier `fdatasync` failed: what is on the disk is unknown, so nothing is accepted any more.
        case unsafe = "store refuses writes after a failed sync"
        /// A write failed and could not be taken back: the message may be there after the next start.
        case uncertain = "the message may or may not be stored"
        /// More is waiting to be written than the limit allows.
        case overloaded = "too much is waiting to be written"
        /// A record does not fit a segment or its own length fields.
        case illegalMessage = "message does not fit the log"
        /// Another process has the store open.
        case locked = "store is in use"
    }

    /// The kind of trouble.
    public let code: Code
    /// The file concerned, if one is.
    public let path: FilePath?
    /// What was tried, what was found and what to do.
    public let message: String
    /// The system's own error, if there was one.
    public let cause: Errno?

    /// An error with its place.
    public init(_ code: Code, path: FilePath? = nil, message: String, cause: Errno? = nil) {
        self.code = code
        self.path = path
        self.message = message
        self.cause = cause
    }

    /// The system call `call` on `path` failed with the current `errno`.
    @inline(never)
    static func system(_ call: String, _ path: FilePath, _ cause: Errno) -> StoreError {
        let code: Code =
            switch cause {
            case .noSpace, Errno(rawValue: 122): .diskFull  // EDQUOT
            case .ioError where call == "pread": .unreadable
            default: .inputOutput
            }
        return StoreError(code, path: path, message: call, cause: cause)
    }

    /// One line: place, kind, what was tried and why it failed.
    public var description: String {
        let place = path.map { "\($0): " } ?? ""
        if code == .inputOutput, let cause { return "\(place)\(message) failed: \(cause)" }
        let reason = cause.map { " (\($0))" } ?? ""
        return "\(place)\(code.rawValue): \(message)\(reason)"
    }
}
