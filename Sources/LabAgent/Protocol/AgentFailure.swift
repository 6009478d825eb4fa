/// What went wrong on the host or on the way to it: a fixed code and a sentence for people.
///
/// The code holds no dynamic text, so that it can be counted; the message names the thing, the place and the way out.
public struct AgentFailure: Error, Codable, Sendable, Equatable, CustomStringConvertible {
    /// The kinds of failure.
    public enum Code: String, Codable, Sendable, CaseIterable {
        /// The request can't be understood or breaks a limit.
        case badRequest
        /// A frame was longer than ``AgentLimits/frameBytes``; the channel ends.
        case frameTooLarge
        /// The other side speaks another protocol version.
        case versionMismatch
        /// A path leads out of the agent's root directory.
        case pathEscape
        /// The named daemon, fault or path is not there.
        case notFound
        /// The name is in use by a running daemon or a fault that has not healed.
        case alreadyExists
        /// The port to listen on is taken by another process.
        case portTaken
        /// The daemon ended before it was ready, or was not ready in time.
        case notReady
        /// A program could not be started.
        case spawnFailed
        /// The time allowed ran out; what was asked may have happened.
        case timedOut
        /// The channel to the agent ended before the answer; what was asked may have happened.
        case disconnected
        /// The caller's task was cancelled; what was asked may have happened.
        case cancelled
        /// A system call failed.
        case system
    }

    /// What kind of failure this is.
    public var code: Code
    /// The sentence to show.
    public var message: String

    /// A failure of a kind, told in a sentence.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
