/// One line of a history: what happened, and when on the run's one clock.
///
/// A checker reads a sequence of these and nothing else. The clock is the controller's monotonic one,
/// in nanoseconds since the run began; readings taken on hosts are converted before they are written.
public struct HistoryEvent: Sendable, Equatable {
    /// Nanoseconds since the run began.
    public var atNanoseconds: Int64
    public var body: Body

    public init(atNanoseconds: Int64, _ body: Body) {
        self.atNanoseconds = atNanoseconds
        self.body = body
    }

    public enum Body: Sendable, Equatable {
        /// First line of every history.
        case run(RunHeader)
        /// What the trial is going to do; these lines follow the header, as many as it tells of.
        case planned(PlannedItem)
        /// A stretch of the trial began: `baseline`, `fault`, `recovery`, `drain`, `scan`.
        case phase(String)
        case invoke(SendInvocation)
        case complete(SendCompletion)
        case deliver(Delivery)
        case unreadable(UnreadableAnswer)
        case fault(FaultEdge)
        case drained(QueueDrain)
        case scanned(ScannedRecord)
        case scanEnded(ReplicaScan)
        /// Last line of a history whose run came to its end; without it the run is incomplete.
        case end(RunEnd)
    }
}

/// What was run: enough to judge the history again later, offline.
public struct RunHeader: Sendable, Equatable {
    /// Version of the history's format; see `HistoryFormat`.
    public var formatVersion: Int
    public var runID: String
    public var seed: UInt64
    /// Wall clock of the controller at time 0, in milliseconds since 1970.
    public var startedAtMilliseconds: Int64
    public var topic: String
    /// How much was planned; nil in a history of format 1, which does not say.
    public var plan: PlanSize?
    /// Whether the mode permits losses under the planned faults; nil before format 3, which does not say.
    public var lossAllowed: Bool?
    /// How long before its fault a lost message may have been acknowledged; nil where nobody bounds it.
    public var tailNanoseconds: Int64?

    public init(
        formatVersion: Int, runID: String, seed: UInt64, startedAtMilliseconds: Int64, topic: String,
        plan: PlanSize? = nil, lossAllowed: Bool? = nil, tailNanoseconds: Int64? = nil
    ) {
        self.tailNanoseconds = tailNanoseconds
        self.plan = plan
        self.lossAllowed = lossAllowed
        self.formatVersion = formatVersion
        self.runID = runID
        self.seed = seed
        self.startedAtMilliseconds = startedAtMilliseconds
        self.topic = topic
    }
}

/// A value is unique in a run: which producer made it and its place in that producer's sequence, from 0.
public struct ValueID: Sendable, Hashable, Comparable, CustomStringConvertible {
    public var producer: Int
    public var sequence: Int

    public init(producer: Int, sequence: Int) {
        self.producer = producer
        self.sequence = sequence
    }

    /// `p<producer>-<sequence>`, also the message's key on the wire.
    public var description: String { "p\(producer)-\(sequence)" }

    /// Reads what `description` writes; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard text.first == "p", let dash = text.firstIndex(of: "-"),
            let producer = Int(text[text.index(after: text.startIndex)..<dash]), producer >= 0,
            let sequence = Int(text[text.index(after: dash)...]), sequence >= 0
        else { return nil }
        self.init(producer: producer, sequence: sequence)
    }

    public static func < (a: ValueID, b: ValueID) -> Bool {
        (a.producer, a.sequence) < (b.producer, b.sequence)
    }
}

/// A producer is about to send a value. Written before the first byte leaves.
public struct SendInvocation: Sendable, Equatable {
    /// Pairs the invocation with its completion; unique in a run.
    public var operation: Int
    public var value: ValueID
    public var topic: String
    /// 64-bit FNV-1a of the body as it was sent.
    public var bodyHash: UInt64
    public var bodyBytes: Int

    public init(operation: Int, value: ValueID, topic: String, bodyHash: UInt64, bodyBytes: Int) {
        self.operation = operation
        self.value = value
        self.topic = topic
        self.bodyHash = bodyHash
        self.bodyBytes = bodyBytes
    }
}

/// The five ways in which an operation completes; the fifth, no completion at all, is `info` at infinity.
public enum SendOutcome: String, Sendable, Equatable, CaseIterable {
    /// SEND_OK: the promise counts.
    case ok
    /// Stored in one memory, promise not kept (flush or slave time-out, no slave).
    case weak
    /// Certainly not stored.
    case fail
    /// Unknown: time-out or lost connection; it may have happened.
    case info
}

public struct SendCompletion: Sendable, Equatable {
    public var operation: Int
    public var outcome: SendOutcome
    /// The protocol's word for it (`SEND_OK`, `FLUSH_DISK_TIMEOUT`, …) or the client's error label.
    public var status: String
    /// Where it was stored, when the broker said so.
    public var stored: StoredAt?
    /// What the client was told, when it failed.
    public var detail: String?

    public init(operation: Int, outcome: SendOutcome, status: String, stored: StoredAt? = nil, detail: String? = nil) {
        self.operation = operation
        self.outcome = outcome
        self.status = status
        self.stored = stored
        self.detail = detail
    }
}

/// A place in a queue, with the two ids that the protocol gives a message.
public struct StoredAt: Sendable, Equatable {
    public var broker: String
    public var queueID: Int
    public var queueOffset: Int64
    /// The client's unique id (32 hex digits).
    public var uniqueID: String
    /// The broker's offset id (32 hex digits for IPv4).
    public var offsetID: String

    /// Where the record stands in its broker's log: the last 16 digits of the offset id; nil when they are no offset.
    public var logOffset: Int64? {
        let digits = offsetID.utf8.suffix(16)
        guard digits.count == 16, let bits = UInt64(String(decoding: digits, as: UTF8.self), radix: 16) else {
            return nil
        }
        return Int64(exactly: bits)
    }

    public init(broker: String, queueID: Int, queueOffset: Int64, uniqueID: String, offsetID: String) {
        self.broker = broker
        self.queueID = queueID
        self.queueOffset = queueOffset
        self.uniqueID = uniqueID
        self.offsetID = offsetID
    }
}

/// A consumer was given a message.
public struct Delivery: Sendable, Equatable {
    public var consumer: Int
    /// Rises by one whenever the consumer's set of queues or its position is set anew; order is promised inside one.
    public var assignment: Int
    public var broker: String
    public var queueID: Int
    public var queueOffset: Int64
    /// Nil when the message carries no value of a run: nobody of ours sent it.
    public var value: ValueID?
    /// The run that the message says it is of; a message of another run is *unexpected*.
    public var runID: String?
    public var bodyHash: UInt64
    /// Whether the drain read it: a second reading of the queues on purpose, which makes no duplicate of what the
    /// consumers were given before.
    public var isDrain: Bool

    public init(
        consumer: Int, assignment: Int, broker: String, queueID: Int, queueOffset: Int64, value: ValueID?,
        runID: String?, bodyHash: UInt64, isDrain: Bool = false
    ) {
        self.isDrain = isDrain
        self.consumer = consumer
        self.assignment = assignment
        self.broker = broker
        self.queueID = queueID
        self.queueOffset = queueOffset
        self.value = value
        self.runID = runID
        self.bodyHash = bodyHash
    }
}

/// A fault passed from one state of its life to the next.
public struct FaultEdge: Sendable, Equatable {
    public enum Edge: String, Sendable, Equatable, CaseIterable {
        /// The host is being asked to lend it: from here on it may be there.
        case asked
        /// Its undo is on the host's disk. (Before format 3: the host was being asked.)
        case armed
        /// The host would not lend it, and has nothing of it.
        case refused
        /// Done, and a probe from the affected side saw it bite.
        case active
        /// Done, but the probe saw no effect: the run can't prove anything.
        case didNotBite
        /// Undone, and a probe saw that it is gone.
        case healed
        /// Its time-to-live was over before its planned heal: the host undid it by itself.
        case expired
        /// Could not be undone.
        case stuck
    }

    public var uid: String
    /// `process-kill`, `store-wipe`, …
    public var kind: String
    /// Whom it struck, as in `broker-a on n2`.
    public var target: String
    public var edge: Edge
    public var detail: String
    /// Which planned fault it is; nil for one that no plan named.
    public var planID: String?
    /// By how much the line's time may be off, where it was read on a host's clock and converted; nil where it is the
    /// controller's own.
    public var errorNanoseconds: Int64?

    public init(
        uid: String, kind: String, target: String, edge: Edge, detail: String, planID: String? = nil,
        errorNanoseconds: Int64? = nil
    ) {
        self.planID = planID
        self.errorNanoseconds = errorNanoseconds
        self.uid = uid
        self.kind = kind
        self.target = target
        self.edge = edge
        self.detail = detail
    }
}

/// How far one queue was read at the end.
public struct QueueDrain: Sendable, Equatable {
    public var broker: String
    public var queueID: Int
    /// Where the reading began: the first offset that the broker still had.
    public var firstOffset: Int64
    /// The next offset that the reader would have asked for.
    public var reachedOffset: Int64
    /// The queue's end as the broker told it after the last send and the last heal; -1 when it never told.
    public var maxOffset: Int64
    /// How many deliveries of this drain the history holds for the queue; nil when nobody counted.
    public var messages: Int?
    /// False when the drain was cut short; why is in `detail`.
    public var complete: Bool
    public var detail: String

    public init(
        broker: String, queueID: Int, firstOffset: Int64 = 0, reachedOffset: Int64, maxOffset: Int64,
        messages: Int? = nil, complete: Bool, detail: String
    ) {
        self.firstOffset = firstOffset
        self.messages = messages
        self.broker = broker
        self.queueID = queueID
        self.reachedOffset = reachedOffset
        self.maxOffset = maxOffset
        self.complete = complete
        self.detail = detail
    }
}

/// A record that the scan found in one replica's commit log.
public struct ScannedRecord: Sendable, Equatable {
    public var replica: String
    public var queueID: Int
    public var queueOffset: Int64
    public var logOffset: Int64
    public var value: ValueID?
    public var runID: String?
    /// Whether the record's body agrees with the CRC that stands beside it.
    public var checksumAgrees: Bool

    public init(
        replica: String, queueID: Int, queueOffset: Int64, logOffset: Int64, value: ValueID?, runID: String?,
        checksumAgrees: Bool
    ) {
        self.replica = replica
        self.queueID = queueID
        self.queueOffset = queueOffset
        self.logOffset = logOffset
        self.value = value
        self.runID = runID
        self.checksumAgrees = checksumAgrees
    }
}

/// One replica's commit log was read to its end, or could not be.
public struct ReplicaScan: Sendable, Equatable {
    public var replica: String
    public var records: Int
    /// Where the replica's log ends, in bytes.
    public var endOffset: Int64
    /// Without a complete scan nothing may be called lost.
    public var complete: Bool
    public var detail: String

    public init(replica: String, records: Int, endOffset: Int64, complete: Bool, detail: String) {
        self.replica = replica
        self.records = records
        self.endOffset = endOffset
        self.complete = complete
        self.detail = detail
    }
}

public struct RunEnd: Sendable, Equatable {
    /// False when the lab itself broke or was told to stop; why is in `detail`.
    public var completed: Bool
    public var detail: String
    /// How many lines the history has, this one included; nil before format 3, which does not say.
    public var lines: Int?
    /// Whether whoever started the run broke it off; nothing is wrong with the lab then.
    public var isInterrupted: Bool

    public init(completed: Bool, detail: String, lines: Int? = nil, isInterrupted: Bool = false) {
        self.isInterrupted = isInterrupted
        self.completed = completed
        self.detail = detail
        self.lines = lines
    }
}
