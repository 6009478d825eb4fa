import MQReplication

/// What goes wrong, and how it is put right.
extension GroupWorld {
    func begin(_ index: Int) {
        let fault = schedule.faults[index]
        trace("** \(fault)")
        switch fault.kind {
        case .crash(let broker, let crash): stop(brokers[broker], crash)
        case .pause(let broker): brokers[broker].pausedUntil = now + fault.duration * 1000
        case .switchMaster(let heir):
            for broker in brokers where broker.pausedUntil <= now && broker.machine?.status.reign != nil {
                tell(broker, .switchRequested(to: ReplicaID(Int64(heir))))
            }
        case .split, .oneWay, .loss, .delay: activeFaults.append(index)
        }
    }

    /// Ends a fault; a negative number starts a broker for the first time.
    func end(_ index: Int) {
        guard index >= 0 else { return start(brokers[-1 - index]) }
        activeFaults.removeAll { $0 == index }
        if case .crash(let broker, _) = schedule.faults[index].kind {
            trace("** \(broker) starts")
            start(brokers[broker])
        }
    }

    private func start(_ broker: SimulatedBroker) {
        guard broker.machine == nil else { return }
        var configuration = configuration
        configuration.isFounder = broker.index == 0
        broker.life += 1
        broker.pausedUntil = 0
        broker.diskFreeAt = now
        broker.machine = ReplicaSetMachine(
            configuration: configuration, me: broker.replica,
            log: LogSpan(end: Int64(broker.log.count), epochs: broker.table), flushedEnd: Int64(broker.log.count),
            now: broker.clock(at: now))
        // Recovery writes what it walked anew.
        broker.synced = broker.log.count
        broker.isFlushing = false
        tell(broker, .timer)
    }

    private func stop(_ broker: SimulatedBroker, _ crash: Fault.Crash) {
        let wasRunning = broker.machine != nil
        broker.machine = nil
        broker.life += 1
        broker.stream = nil
        // Those who follow it notice; a dead machine says nothing, and they notice later.
        for link in broker.links {
            queue.add(
                .delivery(
                    .closed(session: link.session), from: broker.index, to: link.follower, life: link.life),
                at: now + (crash == .kill ? random.from(100...20_000) : random.from(100_000...400_000)))
        }
        broker.links = []
        for master in brokers where master.machine != nil {
            guard let link = master.links.first(where: { $0.follower == broker.index }) else { continue }
            master.links.removeAll { $0.follower == broker.index }
            guard master.pausedUntil <= now else { continue }
            tell(master, .followerLeft(broker.id, session: link.session))
        }
        let before = broker.log.count
        switch crash {
        case .stop: broker.synced = broker.log.count
        case .kill: if wasRunning, !schedule.flushesFirst { broker.incarnation = random.next() | 1 }
        case .powerLoss:
            // The kernel may have written some of it by itself.
            let kept = broker.synced + random.below(broker.log.count - broker.synced + 1)
            broker.log.removeLast(broker.log.count - (random.percent(70) ? broker.synced : kept))
            if wasRunning, !schedule.flushesFirst { broker.incarnation = random.next() | 1 }
        case .diskLoss:
            broker.log = []
            broker.table = EpochTable()
            broker.incarnation = random.next() | 1
        }
        broker.synced = min(broker.synced, broker.log.count)
        guard broker.log.count < before, crash == .diskLoss || !schedule.flushesFirst else { return }
        broker.isDamaged = true
        witness.lostDisk(brokers)
    }
}
