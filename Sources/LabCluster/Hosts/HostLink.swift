public import LabAgent
public import LabInventory
public import LabSSH
public import SystemPackage

/// One host as the controller holds it: an SSH session and, on one of its channels, the agent.
public struct HostLink: Sendable {
    public let host: InventoryHost
    public let session: SSHSession
    public let agent: AgentClient
    public let hello: AgentHello

    /// Connects, uploads the agent where it differs, and starts it.
    ///
    /// The agent's file is named by nothing but its role: its content is compared by hash, so that an older agent is
    /// replaced and a matching one is not sent again.
    /// - Throws: `ClusterError` that names the host, and what to do.
    public static func open(_ host: InventoryHost, agent binary: FilePath) async throws -> HostLink {
        let session = try await connect(host)
        do {
            let remote = "\(host.directory)/bin/seatrial-agent"
            let made = try await session.execute("mkdir -p -m 0755 \(Shell.quote(host.directory + "/bin"))")
            guard made.isSuccess else {
                throw ClusterError(
                    .unreachableHost,
                    "host '\(host.name)': can't make \(host.directory): \(made.errorText) (set seatrial_dir to a folder that '\(host.connection.user)' may write)"
                )
            }
            _ = try await session.upload(binary, to: remote, mode: 0o755)
            let channel = try await session.openCommand(
                "exec \(Shell.command(try Become.prefix(host) + [remote, "serve", "--root", host.directory]))")
            let agent = AgentClient(transport: SSHAgentTransport(channel: channel))
            let hello = try await agent.hello(agentVersion: LabVersion.text)
            return HostLink(host: host, session: session, agent: agent, hello: hello)
        } catch let error as ClusterError {
            await session.close()
            throw error
        } catch {
            await session.close()
            throw ClusterError(.agentFailed, "host '\(host.name)': the agent did not start: \(error)")
        }
    }

    /// Whether the lab ever put anything on the host, without putting anything there to find out.
    public static func hasAgent(_ host: InventoryHost) async throws -> Bool {
        let session = try await connect(host)
        do {
            let answer = try await session.execute(
                "test -x \(Shell.quote(host.directory + "/bin/seatrial-agent"))")
            await session.close()
            return answer.exitStatus == 0
        } catch {
            await session.close()
            throw ClusterError(.unreachableHost, "host '\(host.name)': \(error)")
        }
    }

    static func connect(_ host: InventoryHost) async throws -> SSHSession {
        guard host.connection.kind == .ssh else {
            throw ClusterError(
                .unreachableHost,
                "host '\(host.name)': ansible_connection: local is not for the lab, which reaches hosts over SSH alone; 'seatrial hosts up' makes hosts on this machine"
            )
        }
        do {
            return try await SSHSession.connect(SSHConfiguration(host))
        } catch {
            throw ClusterError(.unreachableHost, "host '\(host.name)': \(error)")
        }
    }

    public func close() async {
        await agent.close()
        await session.close()
    }

    /// Lets go of a host that is dead: the session first, so that nobody waits for an answer to a farewell.
    func abandon() async {
        await session.close()
        await agent.close()
    }
}
