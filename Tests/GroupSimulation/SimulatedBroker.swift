import MQReplication

/// A record of the log: one byte long, as far as offsets go.
struct Record: Equatable {
    var epoch: Epoch
    var value: Int
}

/// A broker's disk, and what runs on it.
///
/// The disk's faults: a power cut takes what was not synced, or a part of it; the disk may be lost. The table of epochs is
/// replaced as a whole or not at all. A cut of the log is durable when it is made.
final class SimulatedBroker {
    /// A follower's connection, at the master.
    struct Link {
        var session: Int
        var follower: Int
        var life: Int
        var sent: Int
        var lastDelivery: Int64
    }

    /// A link to a master, at the follower.
    struct Stream {
        var session: Int
        var master: Int
        var lastDelivery: Int64
        var since: Int64
    }

    let index: Int
    // The disk.
    var log: [Record] = []
    var synced = 0
    var table = EpochTable()
    var incarnation: UInt64
    /// Whether the disk lost something, and the group has not made up for it yet.
    var isDamaged = false

    // The machine that it runs on.
    /// How its clock goes, against true time.
    let rate: Double
    let clockOffset: Int64
    var pausedUntil: Int64 = 0

    // The process.
    var machine: ReplicaSetMachine?
    /// Counts the starts.
    var life = 0
    var timerToken = 0
    var links: [Link] = []
    var stream: Stream?
    /// When the disk is done with what it was last told.
    var diskFreeAt: Int64 = 0
    var isFlushing = false
    /// Up to where records of its own reign were acknowledged.
    var acknowledged = 0
    /// How many records were cut and kept aside.
    var setAside = 0

    init(index: Int, incarnation: UInt64, rate: Double, clockOffset: Int64) {
        self.index = index
        self.incarnation = incarnation
        self.rate = rate
        self.clockOffset = clockOffset
    }

    var id: ReplicaID { ReplicaID(Int64(index)) }
    var replica: Replica { Replica(id: id, incarnation: incarnation) }

    /// Its monotonic clock in milliseconds, at a true time in microseconds.
    func clock(at time: Int64) -> Int64 { clockOffset + Int64(Double(time) * rate / 1000) }

    /// The true time at which its clock shows this.
    func time(ofClock clock: Int64) -> Int64 { Int64(Double(clock - clockOffset) * 1000 / rate) + 1 }
}
