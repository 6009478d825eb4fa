/// How many lines of plan follow a history's header, so that a missing one is noticed.
public struct PlanSize: Sendable, Equatable {
    public var faults: Int
    public var scans: Int

    public init(faults: Int, scans: Int) {
        self.faults = faults
        self.scans = scans
    }
}

/// One thing that a trial is going to do, written before it does anything.
///
/// A judge holds the history against it: what was planned and has no line did not happen, and then nothing is proved.
public enum PlannedItem: Sendable, Equatable {
    case fault(PlannedFault)
    case scan(PlannedScan)
}

/// A fault of the schedule; its edges must follow.
public struct PlannedFault: Sendable, Equatable {
    /// Its name in the schedule.
    public var id: String
    /// As in the edges to come.
    public var kind: String
    /// As in the edges to come.
    public var target: String

    public init(id: String, kind: String, target: String) {
        self.id = id
        self.kind = kind
        self.target = target
    }
}

/// A daemon whose commit log must be read to its end before anything is called lost.
public struct PlannedScan: Sendable, Equatable {
    public var replica: String
    /// The broker of which it is a replica, as clients name it.
    public var broker: String

    public init(replica: String, broker: String) {
        self.replica = replica
        self.broker = broker
    }
}
