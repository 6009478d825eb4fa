import MQReplication

/// A group of brokers with their coordinator and nameservers, in simulated time.
///
/// The network loses, delays and reorders messages; what belongs to one connection keeps its order, and the connection ends
/// when something of it is lost. Clocks go at different rates. A paused broker finds all that came meanwhile at once, in
/// any order, and its timers overdue. Who believes to be the master is sent messages by clients on its side of whatever is
/// cut.
public final class GroupWorld {
    /// What goes over the network.
    enum Letter {
        case toCoordinator(number: Int?, SimulatedCoordinator.Request)
        case answer(number: Int, ReplicaSetMachine.Answer)
        case watch(GroupState)
        /// `life` is the process that asks: the answer comes on its connection, and goes nowhere else.
        case question(Int, life: Int)
        case status(ReplicaStatus, to: Int)
        case register(isMaster: Bool)
        case view(NameserverView)
        case hello(session: Int, replica: Replica, epoch: Epoch?, from: Int, reported: Int)
        case data(session: Int, start: Int, [Record])
        case report(session: Int, Replica, Int)
        case closed(session: Int)
        case takeOver(Epoch)
    }

    enum Happening {
        case wake(broker: Int, life: Int, token: Int)
        /// `life` is the process that it is for; `nil` for whichever runs.
        case delivery(Letter, from: Int, to: Int, life: Int?)
        case leaseCheck(Int64)
        case registration
        case write
        case silenceCheck
        case flushed(broker: Int, life: Int, to: Int)
        case cut(broker: Int, life: Int, to: Int64, EpochTable)
        case saved(broker: Int, life: Int, EpochTable)
        case begun(broker: Int, life: Int, Epoch)
        case faultBegins(Int)
        case faultEnds(Int)
    }

    let schedule: Schedule
    var random: SeededRandom
    var queue = EventQueue<Happening>()
    /// True time in microseconds.
    var now: Int64 = 0
    var brokers: [SimulatedBroker] = []
    var nameservers: [SimulatedNameserver]
    var coordinator: SimulatedCoordinator
    let configuration: ReplicaSetMachine.Configuration
    var witness: Witness
    var activeFaults: [Int] = []
    var lastSession = 0
    var lastValue = 0
    /// Whether every step is printed.
    let traces: Bool

    var coordinatorNode: Int { schedule.brokers + Schedule.nameservers }

    public init(_ schedule: Schedule, traces: Bool = false) {
        self.schedule = schedule
        self.traces = traces
        random = SeededRandom(seed: schedule.seed ^ 0x5EA7_121A_1000_0000)
        nameservers = Array(repeating: SimulatedNameserver(), count: Schedule.nameservers)
        let minimum = schedule.brokers / 2 + 1
        let rule: ReplicaSetMachine.AckRule =
            schedule.policy == .etcd ? .inSync(minimum: minimum) : schedule.waitsForSlave ? .oneCopy : .own
        var configuration = ReplicaSetMachine.Configuration(
            policy: schedule.policy, rule: rule, isFounder: false, countsFlushed: schedule.flushesFirst)
        configuration.leaseMilliseconds = 1000
        configuration.lagMilliseconds = 500
        configuration.retryMilliseconds = 200
        configuration.viewMilliseconds = 600
        configuration.patienceMilliseconds = 1000
        self.configuration = configuration
        coordinator = SimulatedCoordinator(leaseMilliseconds: configuration.leaseMilliseconds)
        witness = Witness(brokers: schedule.brokers, policy: schedule.policy)
        for index in 0..<schedule.brokers {
            // Within the drift that a lease's margin covers, either way.
            let rate = 1 + Double(random.from(-24...24)) / 1000
            brokers.append(
                SimulatedBroker(
                    index: index, incarnation: random.next() | 1, rate: rate,
                    clockOffset: random.from(1...1_000_000)))
        }
    }

    /// Plays the life to its end; throws the first broken promise.
    public func run() throws(Violation) {
        for index in brokers.indices { queue.add(.faultEnds(-1 - index), at: random.from(0...400_000)) }
        for (index, fault) in schedule.faults.enumerated() {
            queue.add(.faultBegins(index), at: fault.at * 1000)
            queue.add(.faultEnds(index), at: (fault.at + fault.duration) * 1000)
        }
        queue.add(.write, at: 300_000)
        queue.add(.silenceCheck, at: 350_000)
        if schedule.policy != .etcd { queue.add(.registration, at: 10_000) }
        while let (time, happening) = queue.next(until: Schedule.end * 1000) {
            now = time
            happen(happening)
            if let violation = witness.violation { throw violation }
        }
        try witness.judgeEnd(brokers, at: now)
    }

    /// The first broken promise that the policy does not make.
    public var lapse: Violation? { witness.lapse }
    /// What this life came to.
    public var acknowledgedCount: Int { witness.acknowledgedCount }
    public var reigns: Int { witness.reigns }
    public var setAside: Int { witness.setAside }
    public var excused: Int { witness.excused }

    private func happen(_ happening: Happening) {
        switch happening {
        case .wake(let index, let life, let token):
            let broker = brokers[index]
            guard broker.life == life, broker.timerToken == token, !isPaused(broker, happening) else { return }
            tell(broker, .timer)
        case .delivery(let letter, let from, let to, let life): deliver(letter, from: from, to: to, life, happening)
        case .leaseCheck(let lease): checkLease(lease)
        case .registration: registerAll()
        case .write: write()
        case .silenceCheck: checkSilence()
        case .flushed(let index, let life, let end):
            guard brokers[index].life == life else { return }
            flushed(brokers[index], to: end)
        case .cut(let index, let life, let end, let table): cut(index, life, to: end, table)
        case .saved(let index, let life, let table):
            let broker = brokers[index]
            guard broker.life == life, !isPaused(broker, happening) else { return }
            broker.table = table
            tell(broker, .reconciled(end: Int64(broker.log.count), epochs: table))
        case .begun(let index, let life, let epoch): begun(index, life, epoch, happening)
        case .faultBegins(let index): begin(index)
        case .faultEnds(let index): end(index)
        }
    }

    /// What comes to a paused broker waits, and comes in any order.
    func isPaused(_ broker: SimulatedBroker, _ happening: Happening) -> Bool {
        guard broker.pausedUntil > now else { return false }
        queue.add(happening, at: broker.pausedUntil + random.from(0...3000))
        return true
    }

    // MARK: network

    /// Whether a message gets from one node to the other now.
    func connects(_ from: Int, _ to: Int) -> Bool {
        for index in activeFaults {
            switch schedule.faults[index].kind {
            case .split(let side): if side.contains(from) != side.contains(to) { return false }
            case .oneWay(from, to): return false
            case .loss(let percent): if random.percent(percent) { return false }
            default: break
            }
        }
        return true
    }

    func latency() -> Int64 {
        var most: Int64 = random.percent(5) ? 30_000 : 3000
        for index in activeFaults { if case .delay(let delay) = schedule.faults[index].kind { most = delay * 1000 } }
        return random.from(100...most)
    }

    /// Sends a message that belongs to no connection.
    func send(_ letter: Letter, from: Int, to: Int, life: Int? = nil) {
        guard connects(from, to) else { return }
        queue.add(.delivery(letter, from: from, to: to, life: life), at: now + latency())
    }

    private func deliver(_ letter: Letter, from: Int, to: Int, _ life: Int?, _ happening: Happening) {
        if to == coordinatorNode {
            if case .toCoordinator(let number, let request) = letter { askCoordinator(request, number, from, life) }
        } else if to >= schedule.brokers {
            guard case .register(let isMaster) = letter else { return }
            let view = nameservers[to - schedule.brokers].register(
                ReplicaID(Int64(from)), isMaster: isMaster, at: now)
            send(.view(view), from: to, to: from, life: life)
        } else {
            let broker = brokers[to]
            guard broker.machine != nil, life == nil || life == broker.life, !isPaused(broker, happening)
            else { return }
            receive(letter, broker, from: from)
        }
    }

    private func askCoordinator(
        _ request: SimulatedCoordinator.Request, _ number: Int?, _ from: Int, _ life: Int?
    ) {
        let (answer, isChanged) = coordinator.carryOut(request, of: ReplicaID(Int64(from)), at: now)
        if case .leaseGranted(let lease) = answer {
            queue.add(.leaseCheck(lease), at: now + coordinator.leaseMicroseconds + random.from(0...100_000))
        }
        if isChanged { announceGroup() }
        if let number, let answer {
            send(.answer(number: number, answer), from: coordinatorNode, to: from, life: life)
        }
    }

    private func checkLease(_ lease: Int64) {
        guard let end = coordinator.leases[lease] else { return }
        if end > now {
            queue.add(.leaseCheck(lease), at: end + random.from(0...100_000))
        } else if coordinator.end(lease) {
            announceGroup()
        }
    }

    private func announceGroup() {
        let state = coordinator.state
        for broker in brokers {
            if broker.isDamaged, state.inSync.contains(broker.replica) { broker.isDamaged = false }
            if broker.machine != nil {
                send(.watch(state), from: coordinatorNode, to: broker.index, life: broker.life)
            }
        }
    }

    private func registerAll() {
        for broker in brokers {
            guard let machine = broker.machine, broker.pausedUntil <= now else { continue }
            let isMaster = machine.status.reign != nil
            for nameserver in 0..<Schedule.nameservers {
                send(
                    .register(isMaster: isMaster), from: broker.index, to: schedule.brokers + nameserver,
                    life: broker.life)
            }
        }
        queue.add(.registration, at: now + 200_000 + random.from(0...50_000))
    }

    func trace(_ text: @autoclosure () -> String) {
        if traces { print("\(now / 1000).\(now % 1000 / 100) ms  \(text())") }
    }
}
