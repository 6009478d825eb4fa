/// The policies `none` and `heartbeat`: who is the master is what nameservers say.
extension ReplicaSetMachine {
    /// Takes a nameserver's word.
    mutating func heard(_ view: NameserverView, from nameserver: Int, _ now: Int64) {
        guard configuration.policy != .etcd else { return }
        views[nameserver] = (view, now)
        if case .mastering = role { return watchOthers(now) }
        consider(now)
    }

    private func freshViews(_ now: Int64) -> [NameserverView] {
        views.values.filter { now - $0.at <= configuration.viewMilliseconds }.map(\.view)
    }

    /// Another broker that nameservers call the master.
    private func otherMaster(_ views: [NameserverView]) -> ReplicaID? {
        views.compactMap(\.master).filter { $0 != me.id }.min()
    }

    /// Follows the master that is listed; looks for one among the siblings, itself included, when none is.
    mutating func consider(_ now: Int64) {
        switch role {
        case .waiting, .following, .joining: break
        case .polling, .campaigning, .promoting, .mastering: return
        }
        let fresh = freshViews(now)
        if let master = otherMaster(fresh), configuration.policy == .heartbeat || !configuration.isFounder {
            return join(master, epoch: nil, now: now)
        }
        if fresh.isEmpty {
            // Nobody to ask, and nothing to take back, is no obstacle for whom the configuration makes the master.
            guard case .waiting = role, configuration.isFounder,
                now - startedAt >= configuration.patienceMilliseconds
            else { return }
            return promote(now)
        }
        guard configuration.isFounder || configuration.policy == .heartbeat else { return }
        if case .waiting = role, !configuration.isFounder, now - startedAt < configuration.patienceMilliseconds {
            // The founder may be about to start, too.
            return
        }
        if case .joining(let join) = role, !join.isAsking { return }
        // A master that takes something back goes on with it.
        if case .following(let join) = role, join.takesBackTo != nil { return }
        if case .joining(let join) = role, join.takesBackTo != nil { return }
        poll(siblings(fresh), now)
    }

    private func siblings(_ views: [NameserverView]) -> [ReplicaID] {
        Set(views.flatMap(\.members)).subtracting([me.id]).sorted()
    }

    /// Looks for another master than one of an older epoch.
    mutating func lookForNewerMaster(_ now: Int64) { poll(siblings(freshViews(now)), now) }

    /// Asks siblings before it decides; with nobody to ask it decides at once.
    private mutating func poll(_ members: [ReplicaID], _ now: Int64) {
        if case .following = role { actions.append(.stopStreaming) }
        let question = nextRequest()
        role = .polling(
            Poll(members: members, question: question, deadline: now + configuration.retryMilliseconds))
        for member in members { actions.append(.ask(question, member)) }
        if members.isEmpty { decide(now) }
    }

    /// Decides by what the siblings said: the master among them is followed; the best of them becomes it.
    mutating func decide(_ now: Int64) {
        guard case .polling(let poll) = role else { return }
        let answers = poll.members.compactMap { id in
            statuses[id].flatMap { $0.question >= poll.question ? $0.status : nil }
        }
        wait(now)
        if configuration.policy == .heartbeat {
            let masters = answers.filter { $0.reign ?? .none >= log.lastEpoch && $0.reign != nil }
            if let master = masters.max(by: { $0.reign ?? .none < $1.reign ?? .none }) {
                return join(master.replica.id, epoch: nil, now: now)
            }
        }
        let better = answers.filter { isBetter($0) }.max { $1.log.isAhead(of: $0.log) }
        guard let better else { return promote(now) }
        if configuration.policy == .none {
            join(better.replica.id, epoch: nil, takesBackTo: better.log.end, now: now)
        }
    }

    private func isBetter(_ status: ReplicaStatus) -> Bool {
        if configuration.policy == .none { return status.log.isAhead(of: log) }
        return status.log.isAhead(of: log) || (!log.isAhead(of: status.log) && status.replica.id < me.id)
    }

    /// Becomes the master in an epoch after all that it knows of.
    mutating func promote(_ now: Int64) {
        let known = statuses.values.map(\.status.log.epochs.last.number).max() ?? 0
        let epoch = Epoch(number: max(log.epochs.last.number, known) + 1, mark: me.incarnation)
        role = .promoting(epoch)
        actions.append(.promote(epoch))
    }

    /// A master under `heartbeat` that hears of another one asks it for its epoch.
    mutating func watchOthers(_ now: Int64) {
        guard configuration.policy == .heartbeat, let other = otherMaster(freshViews(now)) else { return }
        actions.append(.ask(nextRequest(), other))
    }

    /// Gives way to a master of a newer epoch.
    mutating func yield(to status: ReplicaStatus, _ now: Int64) {
        guard configuration.policy == .heartbeat, case .mastering(let reign) = role, let other = status.reign,
            other > reign.epoch
        else { return }
        demote(.deposed, now)
        join(status.replica.id, epoch: nil, now: now)
    }
}
