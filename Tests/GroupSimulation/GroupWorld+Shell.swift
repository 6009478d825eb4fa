import MQReplication

/// What a broker's shell does: carries the machine's actions out, and tells it what happens.
extension GroupWorld {
    /// Tells the machine, and does what it says.
    func tell(_ broker: SimulatedBroker, _ event: ReplicaSetMachine.Event) {
        guard broker.machine != nil else { return }
        let actions = broker.machine!.handle(event, now: broker.clock(at: now))
        if traces, !actions.isEmpty { trace("\(broker.index): \(event)") }
        for action in actions { carryOut(action, broker) }
        guard let machine = broker.machine else { return }
        broker.timerToken += 1
        queue.add(
            .wake(broker: broker.index, life: broker.life, token: broker.timerToken),
            at: max(now + 1, broker.time(ofClock: machine.wakeAt)))
    }

    private func carryOut(_ action: ReplicaSetMachine.Action, _ broker: SimulatedBroker) {
        trace("\(broker.index)   → \(action)")
        func coordinator(_ number: Int?, _ request: SimulatedCoordinator.Request) {
            send(.toCoordinator(number: number, request), from: broker.index, to: coordinatorNode, life: broker.life)
        }
        switch action {
        case .readGroup(let number): coordinator(number, .read)
        case .grantLease(let number): coordinator(number, .grant)
        case .renewLease(let number, let lease): coordinator(number, .renew(lease))
        case .revokeLease(let lease): coordinator(nil, .revoke(lease))
        case .campaign(let number, let lease, let expected, let epoch, let inSync):
            coordinator(number, .campaign(lease: lease, expected: expected, epoch: epoch, inSync: inSync))
        case .changeInSync(let number, let expected, let inSync):
            coordinator(number, .changeInSync(expected: expected, inSync: inSync))
        case .resign(let lease, let expected, let heir):
            coordinator(nil, .resign(lease: lease, expected: expected, heir: heir))
        case .ask(let number, let id):
            send(.question(number, life: broker.life), from: broker.index, to: Int(id.number))
        case .reconcile(let end, let epochs):
            broker.stream = nil
            closeLinks(broker)
            queue.add(
                .cut(broker: broker.index, life: broker.life, to: end, epochs), at: afterDisk(broker))
        case .stream(let master, let epoch): follow(broker, master: Int(master.number), epoch)
        case .stopStreaming: broker.stream = nil
        case .promote(let epoch):
            queue.add(.begun(broker: broker.index, life: broker.life, epoch), at: afterDisk(broker))
        case .demote: closeLinks(broker)
        case .acknowledge(let end): acknowledge(broker, to: Int(end))
        case .handOver(let heir, let epoch): send(.takeOver(epoch), from: broker.index, to: Int(heir.number))
        case .switchRefused, .report: break
        }
    }

    /// The disk does one thing after the other.
    private func afterDisk(_ broker: SimulatedBroker) -> Int64 {
        broker.diskFreeAt = max(now, broker.diskFreeAt) + random.from(200...8000)
        return broker.diskFreeAt
    }

    func cut(_ index: Int, _ life: Int, to end: Int64, _ table: EpochTable) {
        let broker = brokers[index]
        guard broker.life == life else { return }
        let surplus = broker.log.count - Int(end)
        if surplus > 0 {
            broker.log.removeLast(surplus)
            broker.setAside += surplus
            witness.setAside += surplus
        }
        broker.synced = min(broker.synced, broker.log.count)
        queue.add(.saved(broker: index, life: life, table), at: afterDisk(broker))
    }

    func begun(_ index: Int, _ life: Int, _ epoch: Epoch, _ happening: Happening) {
        let broker = brokers[index]
        guard broker.life == life, !isPaused(broker, happening) else { return }
        broker.table.begin(epoch, at: Int64(broker.log.count))
        broker.acknowledged = broker.log.count
        tell(broker, .promoted(epoch, start: Int64(broker.log.count), epochs: broker.table))
        if case .mastering? = broker.machine?.role {
            trace("\(index) serves in \(epoch.number) from \(broker.log.count)")
            witness.begins(broker, epoch, at: now)
        }
    }

    // MARK: writing

    /// A client on each side sends a message to whomever it takes for the master.
    func write() {
        queue.add(.write, at: now + random.from(15_000...60_000))
        for broker in brokers where broker.pausedUntil <= now {
            guard let machine = broker.machine, machine.refusal(now: broker.clock(at: now)) == nil,
                case .mastering(let reign) = machine.role
            else { continue }
            lastValue += 1
            append([Record(epoch: reign.epoch, value: lastValue)], broker)
            sendLog(broker)
            tell(broker, .log(end: Int64(broker.log.count), flushed: Int64(broker.synced)))
        }
    }

    private func append(_ records: [Record], _ broker: SimulatedBroker) {
        for record in records {
            witness.appended(record, at: broker.log.count, broker, now)
            broker.log.append(record)
        }
        guard !broker.isFlushing else { return }
        broker.isFlushing = true
        let wait = schedule.flushesFirst ? random.from(500...6000) : random.from(50_000...400_000)
        queue.add(.flushed(broker: broker.index, life: broker.life, to: broker.log.count), at: now + wait)
    }

    func flushed(_ broker: SimulatedBroker, to end: Int) {
        broker.isFlushing = false
        broker.synced = max(broker.synced, min(end, broker.log.count))
        if broker.synced < broker.log.count {
            broker.isFlushing = true
            let wait = schedule.flushesFirst ? random.from(500...6000) : random.from(50_000...400_000)
            queue.add(.flushed(broker: broker.index, life: broker.life, to: broker.log.count), at: now + wait)
        }
        guard broker.pausedUntil <= now else { return }
        tell(broker, .log(end: Int64(broker.log.count), flushed: Int64(broker.synced)))
        if schedule.flushesFirst { report(broker) }
    }

    private func acknowledge(_ broker: SimulatedBroker, to end: Int) {
        guard case .mastering(let reign) = broker.machine?.role, end > broker.acknowledged else { return }
        witness.acknowledged(broker, broker.acknowledged..<end, reign.epoch, at: now)
        broker.acknowledged = end
    }

    // MARK: links

    private func follow(_ broker: SimulatedBroker, master: Int, _ epoch: Epoch?) {
        lastSession += 1
        broker.stream = .init(session: lastSession, master: master, lastDelivery: now, since: now)
        let hello = Letter.hello(
            session: lastSession, replica: broker.replica, epoch: epoch, from: broker.log.count,
            reported: schedule.flushesFirst ? broker.synced : broker.log.count)
        let isSent = connects(broker.index, master)
        if isSent {
            queue.add(.delivery(hello, from: broker.index, to: master, life: nil), at: now + latency())
        }
        // A connection that does not come about is noticed after a while.
        watch(broker, session: lastSession, isSent ? nil : random.from(100_000...400_000))
    }

    /// Lets a follower notice a dead connection.
    private func watch(_ broker: SimulatedBroker, session: Int, _ wait: Int64?) {
        guard let wait else { return }
        queue.add(
            .delivery(.closed(session: session), from: broker.index, to: broker.index, life: broker.life),
            at: now + wait)
    }

    /// A link of which the other end knows nothing is given up after a while, as heartbeats that do not come have it.
    func checkSilence() {
        queue.add(.silenceCheck, at: now + random.from(250_000...450_000))
        for broker in brokers where broker.pausedUntil <= now {
            if let stream = broker.stream, stream.since + 300_000 < now,
                !brokers[stream.master].links.contains(where: { $0.session == stream.session })
            {
                broker.stream = nil
                tell(broker, .linkLost(ReplicaID(Int64(stream.master))))
            }
            for link in broker.links where brokers[link.follower].stream?.session != link.session {
                broker.links.removeAll { $0.session == link.session }
                tell(broker, .followerLeft(ReplicaID(Int64(link.follower)), session: link.session))
            }
        }
    }

    private func closeLinks(_ broker: SimulatedBroker) {
        for link in broker.links {
            send(.closed(session: link.session), from: broker.index, to: link.follower, life: link.life)
            watch(brokers[link.follower], session: link.session, 400_000)
        }
        broker.links = []
    }

    /// Sends followers what they have not been sent.
    private func sendLog(_ broker: SimulatedBroker) {
        for index in broker.links.indices.reversed() {
            let link = broker.links[index]
            guard link.sent < broker.log.count else { continue }
            let letter = Letter.data(
                session: link.session, start: link.sent, Array(broker.log[link.sent..<broker.log.count]))
            guard connects(broker.index, link.follower) else {
                broker.links.remove(at: index)
                watch(brokers[link.follower], session: link.session, random.from(100_000...400_000))
                tell(broker, .followerLeft(ReplicaID(Int64(link.follower)), session: link.session))
                continue
            }
            let time = max(link.lastDelivery + 1, now + latency())
            broker.links[index].sent = broker.log.count
            broker.links[index].lastDelivery = time
            queue.add(.delivery(letter, from: broker.index, to: link.follower, life: link.life), at: time)
        }
    }

    private func report(_ broker: SimulatedBroker) {
        guard let stream = broker.stream else { return }
        let end = schedule.flushesFirst ? broker.synced : broker.log.count
        guard connects(broker.index, stream.master) else {
            broker.stream = nil
            return tell(broker, .linkLost(ReplicaID(Int64(stream.master))))
        }
        let time = max(stream.lastDelivery + 1, now + latency())
        broker.stream?.lastDelivery = time
        queue.add(
            .delivery(
                .report(session: stream.session, broker.replica, end), from: broker.index, to: stream.master,
                life: nil), at: time)
    }

    // MARK: receiving

    func receive(_ letter: Letter, _ broker: SimulatedBroker, from: Int) {
        guard let machine = broker.machine else { return }
        switch letter {
        case .answer(let number, let answer): tell(broker, .answered(number, answer))
        case .watch(let state): tell(broker, .group(state))
        case .question(let number, let life):
            send(.status(machine.status, to: number), from: broker.index, to: from, life: life)
        case .status(let status, let number): tell(broker, .status(status, to: number))
        case .view(let view): tell(broker, .view(nameserver: from - schedule.brokers, view))
        case .takeOver(let epoch): tell(broker, .takeOver(epoch))
        case .hello(let session, let replica, let epoch, let start, let reported):
            guard epoch == nil || machine.status.reign == epoch, start <= broker.log.count else {
                return send(.closed(session: session), from: broker.index, to: from)
            }
            broker.links.removeAll { $0.follower == from }
            broker.links.append(
                .init(session: session, follower: from, life: brokers[from].life, sent: start, lastDelivery: now))
            tell(broker, .follower(replica, session: session, reported: Int64(reported)))
            sendLog(broker)
        case .report(let session, let replica, let end):
            guard broker.links.contains(where: { $0.session == session }) else { return }
            tell(broker, .follower(replica, session: session, reported: Int64(end)))
        case .data(let session, let start, let records): take(records, at: start, session, broker)
        case .closed(let session):
            guard let stream = broker.stream, stream.session == session else { return }
            broker.stream = nil
            tell(broker, .linkLost(ReplicaID(Int64(stream.master))))
        case .toCoordinator, .register: break
        }
    }

    private func take(_ records: [Record], at start: Int, _ session: Int, _ broker: SimulatedBroker) {
        guard let stream = broker.stream, stream.session == session else { return }
        guard start == broker.log.count else {
            broker.stream = nil
            return tell(broker, .linkLost(ReplicaID(Int64(stream.master))))
        }
        append(records, broker)
        tell(broker, .log(end: Int64(broker.log.count), flushed: Int64(broker.synced)))
        // Its machine may have let go of the link just now.
        if !schedule.flushesFirst, broker.stream?.session == session { report(broker) }
    }
}
