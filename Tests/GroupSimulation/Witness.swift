import MQReplication

/// Sees all that happens, and holds it against what is promised.
///
/// 1. One epoch has one broker that acknowledges; and none does after one of a newer epoch has.
/// 2. What was acknowledged is in the log of every later master, and of the last one. A disk that lost something counts as
///    dead until its broker is in the in-sync set again. While no more than a minority is dead at a time nothing may be
///    missing; when more are, what was acknowledged by then is excused.
/// 3. An offset of an epoch is the same record in all logs, and each log's table names the epochs of its records.
/// 4. Eight seconds after the last fault messages are acknowledged again, and each log is the beginning of the master's.
///
/// `etcd` promises all of it, `heartbeat` no more than 3 and 4, and `none` 3.
struct Witness {
    struct Acknowledged {
        var offset: Int
        var record: Record
    }

    let policy: ReplicaSetMachine.Policy
    let tolerated: Int
    private(set) var violation: Violation?
    /// The first broken promise that the policy does not make.
    private(set) var lapse: Violation?
    private var owners: [(epoch: Epoch, broker: Int)] = []
    private var newestAcknowledging = Epoch.none
    private var promised: [Acknowledged] = []
    /// What each epoch wrote, from its first offset on.
    private var written: [Epoch: (start: Int, values: [Int])] = [:]
    private(set) var acknowledgedCount = 0
    private(set) var lastAcknowledgedAt: Int64 = 0
    private(set) var reigns = 0
    private(set) var excused = 0
    var setAside = 0

    init(brokers: Int, policy: ReplicaSetMachine.Policy) {
        self.policy = policy
        tolerated = brokers - (brokers / 2 + 1)
    }

    private mutating func blame(_ promise: Violation.Promise, _ detail: String, at now: Int64) {
        let broken = Violation(promise: promise, at: now / 1000, detail: detail)
        let isMade = policy == .etcd || promise == .logsAgree || (promise == .recovers && policy == .heartbeat)
        if isMade, violation == nil { violation = broken }
        if !isMade, lapse == nil { lapse = broken }
    }

    mutating func appended(_ record: Record, at offset: Int, _ broker: SimulatedBroker, _ now: Int64) {
        let named = broker.table.epoch(at: Int64(offset))
        if named != record.epoch {
            blame(
                .logsAgree,
                "broker \(broker.index) calls offset \(offset) epoch \(named.number), its record is of "
                    + "\(record.epoch.number)", at: now)
        }
        if var known = written[record.epoch] {
            let place = offset - known.start
            if place >= 0, place < known.values.count {
                guard known.values[place] != record.value else { return }
                blame(
                    .logsAgree,
                    "offset \(offset) of epoch \(record.epoch.number) is \(record.value) in broker \(broker.index), and "
                        + "\(known.values[place]) elsewhere", at: now)
            } else if place == known.values.count {
                known.values.append(record.value)
                written[record.epoch] = known
            } else {
                blame(.logsAgree, "epoch \(record.epoch.number) has a hole before \(offset)", at: now)
            }
        } else {
            written[record.epoch] = (offset, [record.value])
        }
    }

    mutating func acknowledged(_ broker: SimulatedBroker, _ range: Range<Int>, _ epoch: Epoch, at now: Int64) {
        if let owner = owners.first(where: { $0.epoch.number == epoch.number }) {
            if owner.broker != broker.index {
                blame(
                    .oneMaster, "brokers \(owner.broker) and \(broker.index) acknowledge in epoch \(epoch.number)",
                    at: now)
            }
        } else {
            owners.append((epoch, broker.index))
        }
        if epoch < newestAcknowledging {
            blame(
                .oneMaster,
                "broker \(broker.index) acknowledges in epoch \(epoch.number) after another one did in "
                    + "\(newestAcknowledging.number)", at: now)
        }
        newestAcknowledging = max(newestAcknowledging, epoch)
        for offset in range where offset < broker.log.count {
            promised.append(Acknowledged(offset: offset, record: broker.log[offset]))
        }
        acknowledgedCount += range.count
        lastAcknowledgedAt = now
    }

    mutating func begins(_ broker: SimulatedBroker, _ epoch: Epoch, at now: Int64) {
        reigns += 1
        lookForLoss(broker, "the master of epoch \(epoch.number)", at: now)
    }

    private mutating func lookForLoss(_ broker: SimulatedBroker, _ who: String, at now: Int64) {
        for item in promised
        where item.offset >= broker.log.count || broker.log[item.offset] != item.record {
            return blame(
                .nothingLost,
                "\(who), broker \(broker.index), lacks offset \(item.offset) of epoch \(item.record.epoch.number)",
                at: now)
        }
    }

    mutating func lostDisk(_ brokers: [SimulatedBroker]) {
        guard brokers.filter(\.isDamaged).count > tolerated else { return }
        excused += promised.count
        promised = []
    }

    /// Judges the end of a life, when all has been well for a while.
    mutating func judgeEnd(_ brokers: [SimulatedBroker], at now: Int64) throws(Violation) {
        let masters = brokers.filter { $0.machine?.status.reign != nil }
        guard let master = masters.first, masters.count == 1 else {
            blame(.recovers, "there are \(masters.count) masters at the end", at: now)
            if let violation { throw violation }
            return
        }
        if now - lastAcknowledgedAt > 2_000_000 {
            blame(.recovers, "broker \(master.index) is the master, and acknowledges nothing any more", at: now)
        }
        lookForLoss(master, "the last master", at: now)
        for broker in brokers where violation == nil && policy != .none {
            for (offset, record) in broker.log.enumerated() {
                if broker.table.epoch(at: Int64(offset)) != record.epoch {
                    blame(.logsAgree, "broker \(broker.index)'s table is wrong at \(offset)", at: now)
                }
                if offset < master.log.count, record != master.log[offset] {
                    blame(.logsAgree, "brokers \(broker.index) and \(master.index) differ at \(offset)", at: now)
                }
            }
            if broker.log.count + 100 < master.log.count {
                blame(.recovers, "broker \(broker.index) is left behind at \(broker.log.count)", at: now)
            }
        }
        if let violation { throw violation }
    }
}
