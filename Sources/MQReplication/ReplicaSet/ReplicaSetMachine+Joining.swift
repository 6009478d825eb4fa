/// Following a master: its log is compared with this one, what differs is cut, then it is copied.
extension ReplicaSetMachine {
    /// Makes a broker the one to follow, unless it is so already.
    mutating func join(_ master: ReplicaID, epoch: Epoch?, takesBackTo: Int64? = nil, now: Int64) {
        switch role {
        case .joining(let join):
            // The log is being cut: what is followed then is looked at afterwards.
            guard join.isAsking else { return }
            if join.master == master, join.epoch == epoch { return }
        case .following(let join):
            if join.master == master, epoch == nil || join.epoch == epoch { return }
            actions.append(.stopStreaming)
        case .campaigning, .promoting, .mastering: return
        case .waiting, .polling: break
        }
        ask(Join(master: master, epoch: epoch, takesBackTo: takesBackTo), now)
    }

    mutating func ask(_ join: Join, _ now: Int64) {
        var join = join
        join.isAsking = true
        join.retryAt = now + configuration.retryMilliseconds
        let number = nextRequest()
        join.question = join.question ?? number
        role = .joining(join)
        actions.append(.ask(number, join.master))
        if configuration.policy == .etcd { readGroup(now) }
    }

    /// Takes a sibling's word for what it has.
    mutating func heard(_ status: ReplicaStatus, to number: Int, _ now: Int64) {
        guard status.replica.id != me.id, number >= statuses[status.replica.id]?.question ?? 0 else { return }
        statuses[status.replica.id] = (status, number)
        switch role {
        case .joining(let join) where join.isAsking && join.master == status.replica.id:
            guard let question = join.question, number >= question else { return }
            compare(join, with: status, now)
        case .polling(let poll):
            if poll.members.allSatisfy({ (statuses[$0]?.question ?? 0) >= poll.question }) { decide(now) }
        case .waiting where configuration.policy == .etcd: considerGroup(now)
        case .mastering: yield(to: status, now)
        default: break
        }
    }

    private mutating func compare(_ join: Join, with status: ReplicaStatus, _ now: Int64) {
        var join = join
        if join.takesBackTo == nil {
            guard let reign = status.reign, join.epoch == nil || join.epoch == reign else {
                // It may not be the master yet, or no longer: the next answer tells. Who was elected begins within moments, and
                // acknowledges nothing before its followers are there.
                join.retryAt = min(join.retryAt, now + configuration.promotionMilliseconds)
                role = .joining(join)
                return
            }
            join.epoch = reign
            guard reign >= log.lastEpoch else {
                // The newest epoch wins: a master that lost its store must not have its slaves throw theirs away.
                if configuration.policy == .heartbeat { return lookForNewerMaster(now) }
                return refuse(join, "its epoch \(reign.number) is older than this log's \(log.lastEpoch.number)", now)
            }
        }
        let common = log.commonEnd(with: status.log)
        guard common >= log.start, common >= status.log.start || log.end == 0 else {
            return refuse(join, "what both logs have in common, up to \(common), is gone", now)
        }
        if join.takesBackTo != nil, common < log.end {
            return refuse(join, "a sibling's log is longer and another one than this master's", now)
        }
        join.isAsking = false
        role = .joining(join)
        actions.append(.reconcile(cutTo: common, epochs: status.log.epochs))
    }

    private mutating func refuse(_ join: Join, _ reason: String, _ now: Int64) {
        actions.append(.report(reason))
        if join.takesBackTo != nil { return promote(now) }
        wait(now)
    }

    /// Takes note that the log is cut and described by a master's table.
    mutating func reconciled(end: Int64, epochs: EpochTable, _ now: Int64) {
        (log.end, log.epochs) = (end, epochs)
        flushedEnd = min(flushedEnd, end)
        guard case .joining(var join) = role, !join.isAsking else { return }
        join.retryAt = .max / 2
        role = .following(join)
        actions.append(.stream(from: join.master, epoch: join.takesBackTo == nil ? join.epoch : nil))
        if configuration.policy == .etcd { considerGroup(now) } else { finishTakingBack(now) }
    }

    /// Takes the end of a link.
    mutating func lost(_ master: ReplicaID, _ now: Int64) {
        guard case .following(let join) = role, join.master == master else { return }
        actions.append(.stopStreaming)
        // Better serve what is here than nobody.
        if join.takesBackTo != nil { return promote(now) }
        var again = join
        again.question = nil
        // It may have begun anew meanwhile; under `etcd` the coordinator says so.
        if configuration.policy != .etcd { again.epoch = nil }
        ask(again, now)
    }

    /// A master that has taken back what a sibling had besides may serve.
    mutating func finishTakingBack(_ now: Int64) {
        guard case .following(let join) = role, let end = join.takesBackTo, log.end >= end else { return }
        actions.append(.stopStreaming)
        promote(now)
    }
}
