/// How many there were of what; every number counts messages unless it says otherwise.
public struct VerdictCounts: Sendable, Equatable {
    /// Send attempts that began.
    public var sent = 0
    public var ok = 0
    public var weak = 0
    public var fail = 0
    /// Unknown outcomes, attempts without any completion among them.
    public var info = 0
    /// Deliveries, repeated ones included.
    public var delivered = 0
    /// Of those, the drain's, which reads all queues again from their beginning.
    public var drained = 0
    /// Values that were delivered at least once.
    public var deliveredValues = 0
    public var duplicated = 0
    public var recovered = 0
    public var lost = 0
    public var undelivered = 0
    public var unseen = 0
    public var unexpected = 0
    public var corrupted = 0
    /// Records that the scans found in the replicas' logs.
    public var scannedRecords = 0
    /// Of those, records whose checksum does not agree.
    public var damagedRecords = 0
    /// Attempts that certainly failed while a fault was open.
    public var refusedUnderFault = 0
    /// Deliveries to consumers, and not to the drain, while a fault was open.
    public var deliveredUnderFault = 0
    /// Attempts that began when every fault was over, and were acknowledged.
    public var okAfterFaults = 0

    public init() {}

    /// Name and number of each, in the order of reports and of `verdict.json`.
    public var named: [(name: String, count: Int)] {
        [
            ("sent", sent), ("ok", ok), ("weak", weak), ("fail", fail), ("info", info), ("delivered", delivered),
            ("drained", drained), ("delivered_values", deliveredValues), ("duplicated", duplicated),
            ("recovered", recovered),
            ("lost", lost), ("undelivered", undelivered), ("unseen", unseen), ("unexpected", unexpected),
            ("corrupted", corrupted), ("scanned_records", scannedRecords), ("damaged_records", damagedRecords),
            ("refused_under_fault", refusedUnderFault), ("delivered_under_fault", deliveredUnderFault),
            ("ok_after_faults", okAfterFaults),
        ]
    }
}
