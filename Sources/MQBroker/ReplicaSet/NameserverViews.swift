import MQReplication
import MQTransport
import MQWire
import Synchronization

/// What the nameservers say of this broker's group, asked one by one, for the policy `heartbeat`.
///
/// A nameserver names the master by its address alone; which broker that is, it says itself. One that was never heard of and
/// does not answer is a master all the same, as long as it is listed.
final class NameserverViews: Sendable {
    private let context: BrokerContext
    private let member: GroupMember
    private let siblings: Siblings
    private let client: RemotingClient
    /// Those whose answer is awaited, so that a slow one is not asked twice at once.
    private let asked = Mutex<Set<Int>>([])

    init(context: BrokerContext, member: GroupMember, siblings: Siblings, client: RemotingClient) {
        self.context = context
        self.member = member
        self.siblings = siblings
        self.client = client
    }

    /// Asks all of them, without waiting.
    func look() {
        // Under `etcd` they decide nothing: only a master looks whether they lead clients to it.
        guard member.settings.policy == .heartbeat || member.isMaster else { return }
        for (index, nameserver) in context.configuration.nameservers.enumerated()
        where asked.withLock({ $0.insert(index).inserted }) {
            Task { [self] in
                if let view = await view(of: nameserver) { member.tell(.view(nameserver: index, view)) }
                asked.withLock { _ = $0.remove(index) }
            }
        }
    }

    /// What one says; `nil` when it says nothing.
    private func view(of nameserver: String) async -> NameserverView? {
        let question = RemotingCommand(code: RequestCode.getBrokerClusterInfo.rawValue)
        guard let answer = try? await client.call(question, to: nameserver, timeout: Siblings.timeout),
            let info = try? ClusterInfo(decoding: answer.body)
        else { return nil }
        let addresses = info.brokers[context.configuration.brokerName]?.addresses ?? [:]
        let own = context.announcedAddress
        var members: Set<ReplicaID> = []
        for (number, address) in addresses where number != 0 && address != own {
            member.directory.note(ReplicaID(number), at: address)
            members.insert(ReplicaID(number))
        }
        // Whoever called itself the master last is listed, and takes the place away with it when it leaves.
        if addresses[0] != own, member.mayClaim { context.registrations.withLock { $0 }?.request {} }
        guard let address = addresses[0] else { return NameserverView(master: nil, members: members.sorted()) }
        let master = address == own ? member.replica.id : await number(at: address)
        if master != member.replica.id { members.insert(master) }
        return NameserverView(master: master, members: members.sorted())
    }

    private func number(at address: String) async -> ReplicaID {
        if let known = member.directory.number(at: address) { return known }
        if case .log(let log) = await siblings.log(of: address), let replica = log.replica {
            member.directory.note(replica.id, at: address)
            return replica.id
        }
        member.directory.note(GroupDirectory.unknown, at: address)
        return GroupDirectory.unknown
    }
}
