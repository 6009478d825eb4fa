/// The policy `etcd`: who is the master, and who may become it, is in the coordinator.
extension ReplicaSetMachine {
    mutating func readGroup(_ now: Int64) {
        if let asked, now - asked.at < configuration.retryMilliseconds { return }
        let number = nextRequest()
        asked = (number, now)
        actions.append(.readGroup(number))
    }

    /// Asks those who are said to be in sync, for a broker that may have lost what made it a member.
    mutating func askMembers() {
        guard let group, group.master == nil, !group.inSync.contains(me),
            group.inSync.contains(where: { $0.id == me.id })
        else { return }
        for member in group.inSync where member.id != me.id { actions.append(.ask(nextRequest(), member.id)) }
    }

    /// Takes the coordinator's state, unless a newer one was seen.
    mutating func heard(_ state: GroupState, _ now: Int64) {
        guard configuration.policy == .etcd, state.seenAt >= group?.seenAt ?? .min else { return }
        if state.revision != group?.revision {
            statuses = [:]
            heirSince = nil
        }
        group = state
        if state.heir != nil, heirSince == nil { heirSince = now }
        if case .mastering(let reign) = role {
            if state.epoch != reign.epoch || state.master != me.id || state.lease != lease?.id {
                return demote(.deposed, now)
            }
            changeReign { reign, _ in reign.ledger.confirm(state.inSync, revision: state.revision) }
            return acknowledge(now)
        }
        considerGroup(now)
    }

    /// Does what the newest state asks for.
    mutating func considerGroup(_ now: Int64) {
        guard let group else { return }
        switch role {
        case .promoting, .mastering: return
        case .joining(let join) where !join.isAsking: return
        case .campaigning(let campaign): return consider(campaign, group, now)
        default: break
        }
        if let master = group.master {
            // Its own key is of an earlier life, and ends with its lease.
            if master != me.id { join(master, epoch: group.epoch, now: now) }
            return
        }
        guard let inSync = claim(group, now) else {
            // The others have to be asked, and not a master that is none any more.
            if case .joining = role { wait(now) }
            return
        }
        if case .following = role { actions.append(.stopStreaming) }
        let number = nextRequest()
        asked = (number, now)
        // A log that is older than its group has epochs of its own.
        let last = max(group.epoch.number, log.epochs.last.number)
        role = .campaigning(
            Campaign(
                expected: group.revision, epoch: Epoch(number: last + 1, mark: me.incarnation),
                inSync: inSync, grant: (number, now)))
        actions.append(.grantLease(number))
    }

    /// The in-sync set with which this broker may become the master; `nil` while it may not.
    ///
    /// 1. Before there is a set, the founder makes it.
    /// 2. A member may, but for a while only the heir when there is one.
    /// 3. When all members may have lost something, the best of them may, once it has heard every other one: what none of them
    ///    has is nowhere.
    private func claim(_ group: GroupState, _ now: Int64) -> [Replica]? {
        if group.revision == 0 { return configuration.isFounder ? [me] : nil }
        if group.inSync.contains(me) {
            if let heir = group.heir, heir != me.id, let heirSince, now - heirSince < configuration.leaseMilliseconds {
                return nil
            }
            return withoutSilentMaster(group)
        }
        guard group.inSync.contains(where: { $0.id == me.id }) else { return nil }
        for member in group.inSync where member.id != me.id {
            guard let (status, _) = statuses[member.id], status.replica != member else { return nil }
            if status.log.isAhead(of: log) || (!log.isAhead(of: status.log) && member.id < me.id) { return nil }
        }
        return [me]
    }

    /// The in-sync set without the master whose lease ran out, as long as enough are left.
    ///
    /// It has been silent for a lease; waiting for it to lag as well would make every outage that much longer. Fewer members have no
    /// less of what was acknowledged, and whoever is back is in again as soon as it has all. One that handed over is not silent.
    private func withoutSilentMaster(_ group: GroupState) -> [Replica] {
        // An epoch bears the mark of whoever began it.
        let rest = group.inSync.filter { $0 == me || $0.incarnation != group.epoch.mark }
        return group.heir == nil && rest.count >= configuration.minimum ? rest : group.inSync
    }

    /// A campaign's answer may be lost; the state tells what came of it. An earlier campaign may have made this broker the
    /// master by a lease that ends sooner: that one does not count.
    private mutating func consider(_ campaign: Campaign, _ group: GroupState, _ now: Int64) {
        if group.master == me.id, group.epoch == campaign.epoch, let lease, group.lease == lease.id {
            return win(campaign, now)
        }
        if group.master != nil || group.revision != campaign.expected { giveUp(now) }
    }

    mutating func heard(_ answer: Answer, to number: Int, _ now: Int64) {
        if number == asked?.number { asked = nil }
        switch answer {
        case .state(let state): heard(state, now)
        case .leaseGranted(let id):
            guard case .campaigning(let campaign) = role, lease == nil, campaign.grant.number == number else {
                return actions.append(.revokeLease(id))
            }
            let lease = Lease(id: id, sentAt: campaign.grant.sentAt, configuration: configuration)
            guard lease.validUntil > now else { return giveUp(now) }
            self.lease = lease
            retryCampaign(now)
        case .leaseRenewed: lease?.renewed(number, configuration: configuration)
        case .leaseGone:
            guard lease?.renewal?.number == number else { return }
            lease = nil
            demote(.leaseOver, now)
        case .done(let state): heard(state, now)
        }
    }

    /// Asks for the epoch, again when nothing was heard of it: the request expects what it finds, so that twice is as good as
    /// once.
    mutating func retryCampaign(_ now: Int64) {
        guard case .campaigning(var campaign) = role else { return }
        if let asked, now - asked.at < configuration.retryMilliseconds { return }
        guard let lease else { return giveUp(now) }
        if campaign.isAsked { readGroup(now) }
        let number = nextRequest()
        asked = (number, now)
        campaign.isAsked = true
        role = .campaigning(campaign)
        actions.append(
            .campaign(
                number, lease: lease.id, expected: campaign.expected, epoch: campaign.epoch, inSync: campaign.inSync))
    }

    private mutating func giveUp(_ now: Int64) {
        if let lease { actions.append(.revokeLease(lease.id)) }
        lease = nil
        wait(now)
        if group?.master != nil { considerGroup(now) }
    }

    private mutating func win(_ campaign: Campaign, _ now: Int64) {
        role = .promoting(campaign.epoch)
        actions.append(.promote(campaign.epoch))
    }

    /// Notices that the lease is over, before anything else is.
    mutating func endLease(_ now: Int64) {
        guard let lease, lease.validUntil <= now else { return }
        actions.append(.revokeLease(lease.id))
        self.lease = nil
        demote(.leaseOver, now)
    }

    mutating func renewLease(_ now: Int64) {
        guard var lease, lease.renewAt <= now else { return }
        let number = nextRequest()
        lease.renewal = (number, now)
        lease.renewAt = now + configuration.leaseMilliseconds / 4
        self.lease = lease
        actions.append(.renewLease(number, lease: lease.id))
    }

    /// Has the in-sync set be what it should be.
    mutating func keepInSync(_ now: Int64) {
        guard configuration.policy == .etcd, case .mastering(var reign) = role, lease != nil else { return }
        let desired = reign.ledger.desired(
            floor: max(reign.acknowledged, reign.start), minimum: configuration.minimum,
            lag: configuration.lagMilliseconds, now: now)
        if reign.ledger.proposals.isEmpty {
            guard desired != reign.ledger.confirmed.sorted() else { return }
        } else if now - reign.ledger.lastProposalAt < configuration.retryMilliseconds {
            return
        }
        // With one under way whose answer does not come, even the set as it is has to be proposed: only a newer revision
        // says that the other one cannot take effect any more.
        reign.ledger.propose(desired, now: now)
        role = .mastering(reign)
        actions.append(.changeInSync(nextRequest(), expected: reign.ledger.revision, inSync: desired))
    }
}
