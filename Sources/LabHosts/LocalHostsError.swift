/// Why hosts on this machine could not be made, looked at or taken down: a fixed code and one line for people.
public struct LocalHostsError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kinds of failure.
    public enum Code: String, Sendable, CaseIterable {
        /// The caller is not root.
        case notRoot
        /// The kernel, or what contains this machine, refuses namespaces.
        case namespacesDenied
        /// A program of the system is not installed.
        case missingProgram
        /// No loop device can be had for a host's disk.
        case noLoopDevice
        /// No subnet of 198.18.0.0/15 is free.
        case subnetTaken
        /// Another command works on the same state directory.
        case busy
        /// What was asked for breaks a limit.
        case badRequest
        /// A host ended while it booted, or did not answer in time.
        case hostFailed
        /// Something of the lab could not be removed.
        case stillThere
        /// A file of the state directory could not be read or written.
        case state
        /// A program of the system failed.
        case programFailed
    }

    /// What kind of failure this is.
    public let code: Code
    /// The line to show: thing, place, way out.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
