import MQReplication

/// The model of etcd: one order of all changes, leases, and transactions that compare.
///
/// Its faults: requests and answers are late or lost, so that a change may take place without its asker hearing of it, or long
/// after; a lease lasts longer than it must. It never loses what it has, and a lease never ends early by its own clock.
struct SimulatedCoordinator {
    enum Request {
        case read, grant
        case renew(Int64)
        case revoke(Int64)
        case campaign(lease: Int64, expected: Int64, epoch: Epoch, inSync: [Replica])
        case changeInSync(expected: Int64, inSync: [Replica])
        case resign(lease: Int64, expected: Int64, heir: ReplicaID)
    }

    private(set) var state = GroupState()
    /// When each lease ends, in microseconds.
    private(set) var leases: [Int64: Int64] = [:]
    private var lastLease: Int64 = 0
    let leaseMicroseconds: Int64

    init(leaseMilliseconds: Int64) { leaseMicroseconds = leaseMilliseconds * 1000 }

    /// Carries a request out; gives the answer, and whether the state changed.
    mutating func carryOut(
        _ request: Request, of broker: ReplicaID, at now: Int64
    ) -> (answer: ReplicaSetMachine.Answer?, isChanged: Bool) {
        switch request {
        case .read: return (.state(state), false)
        case .grant:
            lastLease += 1
            leases[lastLease] = now + leaseMicroseconds
            return (.leaseGranted(lastLease), false)
        case .renew(let lease):
            guard leases[lease] != nil else { return (.leaseGone, false) }
            leases[lease] = now + leaseMicroseconds
            return (.leaseRenewed, false)
        case .revoke(let lease): return (nil, end(lease))
        case .campaign(let lease, let expected, let epoch, let inSync):
            guard leases[lease] != nil, state.master == nil, state.revision == expected else {
                return (.state(state), false)
            }
            change { state in
                (state.epoch, state.inSync, state.heir) = (epoch, inSync, nil)
                (state.master, state.lease) = (broker, lease)
            }
            return (.done(state), true)
        case .changeInSync(let expected, let inSync):
            guard state.master == broker, state.revision == expected else { return (.state(state), false) }
            change { $0.inSync = inSync }
            return (.done(state), true)
        case .resign(let lease, let expected, let heir):
            let isWanted = state.master == broker && state.lease == lease && state.revision == expected
            if isWanted { change { $0.heir = heir } }
            return (nil, end(lease) || isWanted)
        }
    }

    private mutating func change(_ body: (inout GroupState) -> Void) {
        body(&state)
        state.revision += 1
        state.seenAt += 1
    }

    /// Ends a lease; whether it was the master's.
    mutating func end(_ lease: Int64) -> Bool {
        guard leases.removeValue(forKey: lease) != nil, state.lease == lease else { return false }
        (state.master, state.lease) = (nil, nil)
        state.seenAt += 1
        return true
    }
}

/// The model of a nameserver: who registered last, and who called itself the master last. It forgets who is silent.
struct SimulatedNameserver {
    private var seen: [(id: ReplicaID, at: Int64)] = []
    private var master: ReplicaID?
    static let expiryMicroseconds: Int64 = 1_200_000

    mutating func register(_ id: ReplicaID, isMaster: Bool, at now: Int64) -> NameserverView {
        seen.removeAll { $0.id == id || $0.at + Self.expiryMicroseconds < now }
        // What it said before this: a master is to hear of another one.
        let before = master
        seen.append((id, now))
        if isMaster { master = id } else if master == id { master = nil }
        if let master, !seen.contains(where: { $0.id == master }) { self.master = nil }
        let other = before != id && seen.contains { $0.id == before } ? before : master
        return NameserverView(master: other, members: seen.map(\.id).sorted())
    }
}
