/// What was read to its end, and what was not.
extension RunRecord {
    /// Whether this queue was read to the end that the broker told.
    func isDrained(_ queue: QueueKey) -> Bool {
        guard let drain = drains[queue]?.drain else { return false }
        return drain.complete && drain.reachedOffset >= drain.maxOffset
    }

    /// Whether the reader passed this offset of a queue, or there is nothing further to read in it.
    func wasReachable(_ offset: Int64, in queue: QueueKey, _ rules: Rules) -> Bool {
        guard let drain = drains[queue]?.drain else { return false }
        guard offset >= drain.firstOffset || !rules.has(.drainBeginsSomewhere) else { return false }
        return isDrained(queue) || offset < drain.reachedOffset
    }

    /// Queues that were not read to their end, or not at all though something was acknowledged in them; in order.
    func undrained(_ rules: Rules) -> [QueueKey] {
        let owed = rules.has(.acknowledgedQueuesNeedDrain) ? acknowledgedQueues : []
        return owed.union(drains.keys).filter { !isDrained($0) }
            .sorted { ($0.broker, $0.queueID) < ($1.broker, $1.queueID) }
    }

    /// Whether at least one queue was drained, and every one that has to be.
    func allDrained(_ rules: Rules) -> Bool { !drains.isEmpty && undrained(rules).isEmpty }

    /// Replicas that the plan names, and whose log was not read to its end; in order.
    ///
    /// Without a plan only what the history itself tells of can be missed.
    func unscanned(_ rules: Rules) -> [String] {
        let planned = rules.has(.plannedScan) ? Set(plannedScans.keys) : []
        return planned.union(scans.keys).filter { scans[$0]?.scan.complete != true }.sorted()
    }

    /// Whether every replica's log was read to its end, as far as a history can tell.
    ///
    /// Each broker that acknowledged needs a replica of its own: by the plan where there is one; else, since a
    /// replica's name need not be its broker's, at least as many replicas as there are such brokers.
    func allScanned(_ rules: Rules) -> Bool {
        guard scans.count >= max(1, acknowledgingBrokers.count), unscanned(rules).isEmpty else { return false }
        guard !plannedScans.isEmpty, rules.has(.plannedScan) else { return true }
        return acknowledgingBrokers.isSubset(of: Set(plannedScans.values.map(\.broker)))
    }

    /// When faults began and became active, in the order of the lines that say the latter.
    var openings: [(beganAt: Int64, activeLine: Int)] {
        faults.flatMap { fault in
            fault.edges.filter { $0.edge == .active }.map { (fault.edges[0].atNanoseconds, $0.line) }
        }.sorted { $0.1 < $1.1 }
    }

    /// The broker of which this is a replica: by the plan, or of the same name.
    func broker(of replica: String) -> String { plannedScans[replica]?.broker ?? replica }
}
