/// A stream of bytes to an agent and back: an SSH exec channel, or a process's pipes.
public protocol AgentTransport: Sendable {
    /// Sends all the bytes; called once at a time.
    func send(_ bytes: [UInt8]) async throws
    /// The next bytes, in pieces of any size; nil at the end. Called from one task only.
    func receive() async throws -> [UInt8]?
    /// Ends both directions; a pending `receive` returns or throws.
    func close() async
}
