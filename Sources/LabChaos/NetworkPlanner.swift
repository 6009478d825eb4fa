import LabAgent
import LabCluster
import LabInventory

/// Which links a partition cuts, and which host's rules do it. Pure.
///
/// A link is what one side sends to the other. It is cut at one place only, so that hosts' parts do not hang on each other:
///
/// - `drop`: where it arrives, so that the sender's kernel learns nothing, as of a cut cable. (A packet that is dropped where it
///   leaves is an error there, which TCP takes in another way than silence.)
/// - `reject`: where it leaves, so that the sender learns at once, and what tells it so is not cut off itself.
/// - The clients' machine is the controller, which has no agent: what goes to or comes from it is cut at the host.
struct NetworkPlanner {
    /// One side of a link.
    enum End: Hashable {
        case host(String)
        /// The clients that the controller runs.
        case clients
    }

    /// Which packets of a link.
    enum Service: Hashable {
        case all
        /// TCP to or from these ports of the sender.
        case fromPorts([UInt16])
        /// TCP to or from these ports of the receiver.
        case toPorts([UInt16])
    }

    struct Link: Hashable {
        var from: End
        var to: End
        var service = Service.all

        /// The way back.
        var back: Link {
            switch service {
            case .all: Link(from: to, to: from)
            case .fromPorts(let ports): Link(from: to, to: from, service: .toPorts(ports))
            case .toPorts(let ports): Link(from: to, to: from, service: .fromPorts(ports))
            }
        }
    }

    let roster: Roster
    /// The address under which a host sees the controller's clients.
    let clientAddress: (InventoryHost) -> String?

    /// The links of a fault whose targets are chosen.
    func links(of plan: FaultPlan, targets: [String], seed: UInt64) throws(ChaosError) -> [Link] {
        let struck = unique(targets.compactMap { roster.host(of: $0)?.name })
        let others = roster.hosts.map(\.name).filter { !struck.contains($0) }
        let both: [Link]
        switch plan.kind {
        case .isolate:
            both =
                struck.flatMap { host in
                    roster.hosts.filter { $0.name != host }.map {
                        Link(from: .host(host), to: .host($0.name))
                    }
                } + (plan.clients == .near ? [] : struck.flatMap(clientLinks))
        case .halves:
            try require(!others.isEmpty, "fault '\(plan.id)': all hosts are on one side")
            both =
                struck.flatMap { host in others.map { Link(from: .host(host), to: .host($0)) } }
                + (plan.clients == .far ? struck.flatMap(clientLinks) : [])
        case .ring: both = try ring(shuffled(struck, seed), of: plan)
        case .bridge: both = try bridge(shuffled(struck, seed), of: plan)
        case .mute, .deafen:
            try require(!others.isEmpty, "fault '\(plan.id)': there is nobody on the other side")
            // One way only: a link has its way back below.
            return struck.flatMap { host in
                others.map {
                    plan.kind == .mute
                        ? Link(from: .host(host), to: .host($0)) : Link(from: .host($0), to: .host(host))
                }
            }
        case .cutHA: both = replication(targets)
        case .cutNameservers: both = nameservers(targets)
        case .cutClients:
            both = unique(targets.compactMap { roster.host(of: $0)?.name }).flatMap(clientLinks)
        default: preconditionFailure("\(plan.kind) is no fault of the network")
        }
        try require(
            !both.isEmpty,
            "fault '\(plan.id)': nothing is to be cut between \(targets.joined(separator: ", "))")
        return unique(both.flatMap { [$0, $0.back] })
    }

    /// Each host's part; hosts without one are left out.
    func parts(
        _ links: [Link], _ answer: NetworkFault.Answer
    ) throws(ChaosError) -> [(host: InventoryHost, fault: NetworkFault)] {
        var rules: [String: [NetworkRule]] = [:]
        for link in links {
            let (place, direction, other) = try placement(of: link, answer)
            guard let host = roster.host(place) else { preconditionFailure("no host '\(place)'") }
            for peer in try addresses(of: other, seenBy: host) {
                rules[place, default: []].append(
                    NetworkRule(direction, peer: peer, ports: Self.ports(link.service, direction)))
            }
        }
        return roster.hosts.compactMap { host in
            rules[host.name].map { (host, NetworkFault(answer: answer, rules: $0)) }
        }
    }

    /// What the controller's own clients have to be cut off from.
    func outside(_ links: [Link]) -> [NetworkProbe] {
        links.flatMap { link -> [NetworkProbe] in
            guard link.from == .clients, case .host(let name) = link.to,
                case .toPorts(let ports) = link.service,
                let host = roster.host(name)
            else { return [] }
            return ports.map { NetworkProbe(address: host.seatrialAddress, port: $0) }
        }
    }

    /// A host's peers by name: what `--dry-run` says.
    func peers(of host: String, in links: [Link]) -> String {
        func name(_ end: End) -> String {
            if case .host(let name) = end { name } else { "the clients" }
        }
        func service(_ link: Link) -> String {
            switch link.service {
            case .all: ""
            case .fromPorts(let ports), .toPorts(let ports):
                " (\(ports.map(String.init).joined(separator: ", ")))"
            }
        }
        let from = unique(links.filter { $0.to == .host(host) }.map { name($0.from) + service($0) })
        let to = unique(links.filter { $0.from == .host(host) }.map { name($0.to) + service($0) })
        if from == to { return from.joined(separator: ", ") }
        let parts = [
            from.isEmpty ? nil : "from \(from.joined(separator: ", "))",
            to.isEmpty ? nil : "to \(to.joined(separator: ", "))",
        ]
        return parts.compactMap { $0 }.joined(separator: "; ")
    }

    // MARK: shapes

    private func ring(_ hosts: [String], of plan: FaultPlan) throws(ChaosError) -> [Link] {
        try require(
            hosts.count >= 4, "fault '\(plan.id)': a ring needs 4 hosts, here are \(hosts.count)")
        // Each hears so many to either side, a majority together with itself.
        let majority = hosts.count / 2 + 1
        let reach = majority / 2
        var links: [Link] = []
        for (place, host) in hosts.enumerated() {
            for (other, peer) in hosts.enumerated().dropFirst(place + 1) {
                let distance = min(other - place, hosts.count - (other - place))
                if distance > reach { links.append(Link(from: .host(host), to: .host(peer))) }
            }
        }
        return links
    }

    private func bridge(_ hosts: [String], of plan: FaultPlan) throws(ChaosError) -> [Link] {
        try require(
            hosts.count >= 3, "fault '\(plan.id)': a bridge needs 3 hosts, here are \(hosts.count)")
        let rest = hosts.dropFirst()
        let left = rest.prefix(rest.count / 2)
        let right = rest.dropFirst(rest.count / 2)
        return left.flatMap { host in right.map { Link(from: .host(host), to: .host($0)) } }
    }

    private func replication(_ targets: [String]) -> [Link] {
        targets.compactMap { roster.daemon($0) }.flatMap { daemon -> [Link] in
            let pairs =
                daemon.isSlave
                ? roster.master(of: daemon).map { [(daemon, $0)] } ?? []
                : roster.slaves(of: daemon).map { ($0, daemon) }
            return pairs.compactMap { slave, master in
                master.haPort.map { port in
                    Link(from: .host(slave.host.name), to: .host(master.host.name), service: .toPorts([port]))
                }
            }
        }
    }

    private func nameservers(_ targets: [String]) -> [Link] {
        let daemons = targets.compactMap { roster.daemon($0) }.filter { $0.role == .broker }
        return daemons.flatMap { daemon in
            roster.daemons.filter { $0.role == .nameserver && $0.host.name != daemon.host.name }.map {
                nameserver in
                Link(
                    from: .host(daemon.host.name), to: .host(nameserver.host.name),
                    service: .toPorts(nameserver.clientPorts))
            }
        }
    }

    private func clientLinks(_ host: String) -> [Link] {
        let ports = roster.daemons.filter { $0.host.name == host }.flatMap(\.clientPorts)
        return ports.isEmpty ? [] : [Link(from: .clients, to: .host(host), service: .toPorts(ports))]
    }

    // MARK: rules

    private func placement(
        of link: Link, _ answer: NetworkFault.Answer
    ) throws(ChaosError) -> (host: String, NetworkRule.Direction, End) {
        switch (link.from, link.to, answer) {
        case (let from, .host(let to), .drop): return (to, .incoming, from)
        case (.host(let from), let to, .reject): return (from, .outgoing, to)
        case (.host(let from), .clients, .drop): return (from, .outgoing, .clients)
        case (.clients, .host(let to), .reject): return (to, .incoming, .clients)
        case (.clients, .clients, _):
            throw ChaosError(.badPlan, "clients can't be cut off from themselves")
        }
    }

    private func addresses(of end: End, seenBy host: InventoryHost) throws(ChaosError) -> [String] {
        switch end {
        case .host(let name):
            guard let peer = roster.host(name) else { preconditionFailure("no host '\(name)'") }
            return unique([peer.seatrialAddress, peer.seatrialHAAddress])
        case .clients:
            guard let address = clientAddress(host) else {
                throw ChaosError(
                    .badPlan, "host '\(host.name)': no way leads there, so the clients' address is unknown")
            }
            return [address]
        }
    }

    private static func ports(_ service: Service, _ direction: NetworkRule.Direction)
        -> NetworkRule.Ports
    {
        switch (service, direction) {
        case (.all, _): .all
        case (.fromPorts(let ports), .incoming), (.toPorts(let ports), .outgoing): .remote(ports)
        case (.fromPorts(let ports), .outgoing), (.toPorts(let ports), .incoming): .local(ports)
        }
    }

    private func shuffled(_ names: [String], _ seed: UInt64) -> [String] {
        var random = SplitMix64(state: seed)
        return names.shuffled(using: &random)
    }

    private func unique<T: Hashable>(_ items: [T]) -> [T] {
        var seen: Set<T> = []
        return items.filter { seen.insert($0).inserted }
    }

    private func require(_ holds: Bool, _ text: String) throws(ChaosError) {
        if !holds { throw ChaosError(.badPlan, text) }
    }
}
