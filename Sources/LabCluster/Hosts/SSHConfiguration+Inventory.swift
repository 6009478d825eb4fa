import LabInventory
import LabSSH

extension SSHConfiguration {
    /// How an inventory's host is reached: its key file where it names one, the agent's keys otherwise.
    init(_ host: InventoryHost) {
        self.init(host.connection)
        trustCommand = "seatrial trust -i \(host.file) --limit \(host.name)"
    }

    fileprivate init(_ connection: HostConnection) {
        self.init(
            endpoint: SSHEndpoint(host: connection.address, port: connection.port, user: connection.user),
            credentials: connection.privateKey.map { [.privateKey($0), .agent] } ?? [.agent],
            knownHosts: connection.knownHosts, proxy: connection.proxy.map(SSHProxy.init))
    }
}

extension SSHProxy {
    fileprivate init(_ proxy: HostProxy) {
        switch proxy {
        case .command(let command): self = .command(command)
        case .jump(let connection): self = .jump(SSHConfiguration(connection))
        }
    }
}
