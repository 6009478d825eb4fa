/// A consumer reads a queue in order.
///
/// Model: inside one assignment a consumer's position in a queue rises by one with each delivery. *Poll skip*: the
/// next offset is beyond that. *Backward poll*: it is not beyond the last. A new assignment (a rebalance, or a
/// position that was set anew) begins afresh; what it repeats is a duplicate, see `OffsetChecker`.
struct PollOrderChecker: Checker {
    private struct Lane: Hashable, Sendable {
        var consumer: Int
        var queue: RunRecord.QueueKey
    }

    private struct Last: Sendable {
        var assignment: Int
        var offset: Int64
        var line: Int
    }

    private static let maximumLanes = 1 << 18

    private var lanes: [Lane: Last] = [:]
    private var skips = Tally()
    private var backward = Tally()

    mutating func consume(_ sighting: Sighting, at moment: Moment, _ known: Known) {
        let delivery: Delivery
        switch sighting {
        case .delivered(let seen, _, _), .strayDelivery(let seen, _): delivery = seen
        default: return
        }
        guard lanes.count < Self.maximumLanes else { return }
        let queue = RunRecord.QueueKey(broker: delivery.broker, queueID: delivery.queueID)
        let lane = Lane(consumer: delivery.consumer, queue: queue)
        let last = lanes.updateValue(
            Last(assignment: delivery.assignment, offset: delivery.queueOffset, line: moment.line), forKey: lane)
        guard let last, last.assignment == delivery.assignment || !known.rules.has(.newAssignmentResets) else { return }
        guard delivery.queueOffset <= last.offset || delivery.queueOffset - last.offset > 1 else { return }
        let witness = {
            Witness(
                value: delivery.value,
                story: [
                    "Consumer \(delivery.consumer) was given offset \(last.offset) of queue \(delivery.queueID) on "
                        + "\(delivery.broker) (line \(last.line)), and next, in the same assignment, offset "
                        + "\(delivery.queueOffset) (line \(moment.line))."
                ], lines: [last.line, moment.line])
        }
        if delivery.queueOffset > last.offset { skips.add(witness()) } else { backward.add(witness()) }
    }

    func conclude(_ known: Known) -> [Finding] {
        let cases: [(Rules.Rule, AnomalyClass, Tally, String)] = [
            (.pollSkip, .pollSkip, skips, "times a consumer missed an offset inside one assignment"),
            (.backwardPoll, .backwardPoll, backward, "times a consumer went back inside one assignment"),
        ]
        return cases.compactMap { rule, anomaly, tally, text in
            guard tally.count > 0, known.rules.has(rule) else { return nil }
            return Finding(
                anomaly: anomaly, status: .fail, count: tally.count, rule: .forbidden,
                summary: "\(tally.count) \(text)", witness: tally.first)
        }
    }
}
