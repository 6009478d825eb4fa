/// Being the master: what may be acknowledged, who is in sync, and how it ends.
extension ReplicaSetMachine {
    /// Takes note that the epoch has begun in the log.
    mutating func promoted(_ epoch: Epoch, start: Int64, epochs: EpochTable, _ now: Int64) {
        (log.end, log.epochs) = (start, epochs)
        guard case .promoting(epoch) = role else { return }
        let state = configuration.policy == .etcd ? group : nil
        role = .mastering(
            Reign(
                epoch: epoch, start: start, acknowledged: 0,
                ledger: InSyncLedger(
                    me: me, confirmed: state?.inSync ?? [me], revision: state?.revision ?? 0, logEnd: start,
                    now: now)))
        views = [:]
    }

    /// Takes a follower's report.
    mutating func heard(from replica: Replica, session: Int, _ reported: Int64, _ now: Int64) {
        changeReign { reign, _ in reign.ledger.report(replica, session: session, reported, now: now) }
        acknowledge(now)
        keepInSync(now)
        finishHandover(now)
    }

    /// Releases what the rule says may be.
    mutating func acknowledge(_ now: Int64) {
        guard case .mastering(let reign) = role else { return }
        let offset: Int64?
        switch configuration.rule {
        case .own: offset = countedEnd
        case .oneCopy: offset = reign.ledger.foremost.map { min($0, countedEnd) }
        case .inSync(let minimum):
            guard let lease, lease.validUntil > now, reign.ledger.confirmed.count >= minimum else { return }
            offset = reign.ledger.commonOffset(own: countedEnd)
        }
        guard let offset, offset > reign.acknowledged else { return }
        changeReign { reign, _ in reign.acknowledged = offset }
        actions.append(.acknowledge(offset))
    }

    /// Ends being the master, or becoming it.
    mutating func demote(_ reason: Demotion, _ now: Int64) {
        switch role {
        case .mastering:
            if let lease { actions.append(.revokeLease(lease.id)) }
            actions.append(.demote(reason))
        case .promoting, .campaigning: break
        case .waiting, .polling, .joining, .following: return
        }
        lease = nil
        wait(now)
        if configuration.policy == .etcd { considerGroup(now) }
    }

    // MARK: handing over

    /// Begins to hand over: takes no more messages until the heir has everything.
    mutating func handOver(to heir: ReplicaID, _ now: Int64) {
        guard case .mastering(let reign) = role, heir != me.id else {
            return actions.append(.switchRefused("this broker is not the master, or is to be it already"))
        }
        guard configuration.policy != .none else {
            return actions.append(.switchRefused("the policy 'none' has a fixed master"))
        }
        guard let follower = reign.ledger.followers.first(where: { $0.replica.id == heir }) else {
            return actions.append(.switchRefused("broker \(heir.number) does not follow this one"))
        }
        guard configuration.policy != .etcd || reign.ledger.confirmed.contains(follower.replica) else {
            return actions.append(.switchRefused("broker \(heir.number) is not in sync"))
        }
        let deadline = now + configuration.retryMilliseconds
        changeReign { reign, _ in reign.heir = (heir, deadline) }
        finishHandover(now)
    }

    /// Hands over when the heir has all, and all was acknowledged that waits for it.
    mutating func finishHandover(_ now: Int64) {
        guard case .mastering(let reign) = role, let heir = reign.heir,
            let follower = reign.ledger.followers.first(where: { $0.replica.id == heir.id }),
            follower.reported >= log.end
        else { return }
        if configuration.policy == .etcd {
            guard let lease, reign.acknowledged >= log.end, reign.ledger.proposals.isEmpty else { return }
            actions.append(.demote(.handedOver))
            actions.append(.resign(lease: lease.id, expected: reign.ledger.revision, heir: heir.id))
            self.lease = nil
            wait(now)
        } else {
            actions.append(.demote(.handedOver))
            actions.append(.handOver(to: heir.id, epoch: reign.epoch))
            wait(now)
            join(heir.id, epoch: nil, now: now)
        }
    }

    /// Goes on as the master when the heir does not come up.
    mutating func giveUpHandover(_ now: Int64) {
        guard case .mastering(let reign) = role, let heir = reign.heir, heir.deadline <= now else { return }
        changeReign { reign, _ in reign.heir = nil }
        actions.append(.switchRefused("broker \(heir.id.number) does not catch up"))
    }

    /// Takes over from the master that this broker follows.
    mutating func takeOver(from epoch: Epoch, _ now: Int64) {
        guard configuration.policy == .heartbeat, case .following(let join) = role, join.epoch == epoch else { return }
        actions.append(.stopStreaming)
        promote(now)
    }
}
