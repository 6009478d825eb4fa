import LabAgent
import LabSSH

/// The agent's channel: its standard input and output, over SSH.
///
/// What the agent says on standard error is kept for the message of a failure; it is never part of the protocol.
struct SSHAgentTransport: AgentTransport {
    let channel: SSHCommandChannel

    func send(_ bytes: [UInt8]) async throws { try await channel.write(bytes) }

    func receive() async throws -> [UInt8]? {
        while let output = try await channel.next() {
            if case .standardOutput(let bytes) = output { return bytes }
        }
        return nil
    }

    func close() async { await channel.close() }
}
