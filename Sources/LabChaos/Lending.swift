public import LabAgent
public import LabCluster
import LabInventory

/// Lends an order's parts at their hosts, all at the same time, and sees that they bite and that they are gone.
public struct Lending: Sendable {
    let fleet: Fleet

    public init(_ fleet: Fleet) { self.fleet = fleet }

    /// How long peers may take to answer before a deed; in a lab it is a fraction of a millisecond.
    static let baselineMilliseconds: Int64 = 500
    /// A silence counts from so many times of the slowest answer on.
    static let silenceFactor: Int64 = 5
    /// Where a host that answers no echo is asked instead: its `sshd` is alive.
    static let fallbackPort: UInt16 = 22

    /// What one host did or would not do.
    public typealias Outcome = Result<FaultRecord, any Error>

    // MARK: before

    /// Why a host of the order can't do its part, by its capabilities and its connection; nothing is asked or done.
    public func refusals(of order: FaultOrder) -> [String] {
        order.parts.compactMap { part in
            guard case .network(let fault) = part.kind, let link = fleet.links[part.host.name] else {
                return nil
            }
            let name = "host '\(part.host.name)'"
            guard link.hello.capabilities.nftables else {
                return
                    "\(name) can't cut packets off: its agent has to be root and 'nft' to work there (install nftables, set ansible_become)"
            }
            guard let path = link.hello.sshPath,
                let rule = fault.rules.first(where: { path.isCut(by: $0) })
            else {
                return nil
            }
            return
                "\(name): it would cut the controller's own SSH connection (\(path)) off by way of \(rule.peer); leave that out of the fault"
        }
    }

    /// The order with what each host can show by: peers that answer it now, before anything is cut off anywhere.
    /// - Throws: `ChaosError` when nobody answers anybody, so that nothing could be shown.
    public func prepared(_ order: FaultOrder) async throws -> FaultOrder {
        guard order.plan.kind.family == .network else { return order }
        var order = order
        let found = await Concurrently.map(order.parts) { try await probed($0) }
        for (place, result) in found.enumerated() {
            order.parts[place].kind = .network(try result.get())
        }
        if !order.outside.isEmpty {
            let answers = await NetworkProber.look(order.outside, milliseconds: Self.baselineMilliseconds)
            order.outside = zip(order.outside, answers).filter { $1.isAnswered }.map(\.0)
        }
        let isShowable =
            !order.outside.isEmpty
            || order.parts.contains { part in
                if case .network(let fault) = part.kind { !fault.probes.isEmpty } else { false }
            }
        guard isShowable else {
            throw ChaosError(
                .injectionFailed,
                "fault '\(order.plan.id)': nobody answers before anything is cut off, so nothing could be shown to be"
            )
        }
        return order
    }

    private func probed(_ part: FaultOrder.Part) async throws -> NetworkFault {
        guard case .network(var fault) = part.kind else {
            preconditionFailure("\(part.kind) is no fault of the network")
        }
        let agent = try fleet.link(part.host).agent
        var slowest: Int64 = 0
        func answering(_ candidates: [NetworkProbe]) async throws -> [NetworkProbe] {
            guard !candidates.isEmpty else { return [] }
            let answers = try await agent.probeNetwork(
                candidates, milliseconds: Self.baselineMilliseconds)
            return zip(candidates, answers).compactMap { probe, answer in
                guard case .answered(let time) = answer else { return nil }
                slowest = max(slowest, time)
                return probe
            }
        }
        let candidates = Self.candidates(fault)
        fault.probes = try await answering(candidates)
        let mute = candidates.filter { $0.port == nil && !fault.probes.contains($0) }
        fault.probes += try await answering(
            mute.map { NetworkProbe(address: $0.address, port: Self.fallbackPort) })
        fault.silenceMilliseconds = min(
            AgentLimits.networkProbeMilliseconds / 2,
            max(AgentLimits.networkSilenceMilliseconds, slowest * Self.silenceFactor / 1_000))
        return fault
    }

    /// What a host can try of its own rules, each peer and port once.
    static func candidates(_ fault: NetworkFault) -> [NetworkProbe] {
        var seen: Set<NetworkProbe> = []
        return fault.rules.flatMap { rule -> [NetworkProbe] in
            switch rule.ports {
            case .all: [NetworkProbe(address: rule.peer)]
            case .local: []
            case .remote(let ports): ports.map { NetworkProbe(address: rule.peer, port: $0) }
            }
        }.filter { seen.insert($0).inserted }
    }

    // MARK: the deed

    /// Asks all hosts at once; one that would not, or did not bite, stops no other.
    public func lend(_ order: FaultOrder, uid: String) async -> [Outcome] {
        let ttl = Int64(order.plan.ttlSeconds * 1000)
        return await Concurrently.map(order.parts) { part in
            try await fleet.link(part.host).agent.injectFault(
                FaultLoan(uid: uid, kind: part.kind, ttlMilliseconds: ttl))
        }
    }

    /// What of the controller's own clients' ways is still open after the deed.
    public func stillReached(_ order: FaultOrder) async -> [NetworkProbe] {
        guard !order.outside.isEmpty else { return [] }
        let answers = await NetworkProber.look(
            order.outside, milliseconds: AgentLimits.networkSilenceMilliseconds)
        return zip(order.outside, answers).filter { $1.isAnswered }.map(\.0)
    }

    // MARK: the undo

    /// Undoes it at all hosts at once.
    public func revert(_ order: FaultOrder, uid: String) async -> [Outcome] {
        await Concurrently.map(order.parts) { part in
            try await fleet.link(part.host).agent.revertFault(uid)
        }
    }

    /// Who is still cut off from whom when every host has undone its part, a line each.
    ///
    /// A host whose peer was slower with its own part had no answer in time; asked again, it has.
    public func stillSilent(_ order: FaultOrder, after outcomes: [Outcome]) async -> [String] {
        var waiting: [(host: InventoryHost, probes: [NetworkProbe])] = []
        for (part, outcome) in zip(order.parts, outcomes) {
            guard case .success(let record) = outcome, let probes = record.unanswered, !probes.isEmpty
            else { continue }
            waiting.append((part.host, probes))
        }
        let found = await Concurrently.map(waiting) { entry -> [String] in
            let answers = try await fleet.link(entry.host).agent.probeNetwork(
                entry.probes, milliseconds: AgentLimits.networkHealMilliseconds)
            return zip(entry.probes, answers).filter { !$1.isAnswered }.map {
                "\(entry.host.name) hears nothing from \($0.0)"
            }
        }
        var silent = zip(waiting, found).flatMap { entry, result -> [String] in
            switch result {
            case .success(let lines): lines
            case .failure(let error): ["\(entry.host.name) can't be asked: \(error)"]
            }
        }
        if !order.outside.isEmpty {
            let answers = await NetworkProber.look(
                order.outside, milliseconds: AgentLimits.networkHealMilliseconds)
            // A daemon that is down refuses, and so heard it.
            silent += zip(order.outside, answers).filter { !$1.isAnswered && $1 != .refused }.map {
                "no answer comes from \($0.0)"
            }
        }
        return silent
    }
}
