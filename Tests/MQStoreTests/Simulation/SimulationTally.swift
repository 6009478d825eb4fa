/// What a life may meet. A fault that no life meets is no fault of the model, whatever its text says.
enum SimulationEvent: String, CaseIterable, Sendable {
    // The disk's faults.
    case lostWrites = "power cut: writes lost"
    case reorderedWrites = "power cut: a later write kept, an earlier one lost"
    case tornSector = "power cut: a torn sector"
    case lostLength = "power cut: a file's length lost"
    case lostNames = "power cut: names lost"
    case cutWrite = "a write cut short in its middle"
    case noSpace = "no space"
    case writeError = "a write failed"
    case readError = "a read failed"
    case nameError = "a change of names failed"
    case failedSync = "a file's sync failed"
    case failedDirectorySync = "a directory's sync failed"
    case slowSync = "a slow sync"
    case bitFlip = "a flipped bit"
    case unreadableSector = "an unreadable sector"
    case unreadableQueue = "an unreadable sector of a queue"
    case unreadableIndex = "an unreadable sector of an index file"
    case lostQueueFile = "a queue's file lost"
    case lostQueue = "a queue's folder lost"
    case lostIndexFile = "an index file lost"
    case lostCheckpoint = "the checkpoint lost"
    case lostSegment = "a synced segment of the log lost: the start refused"

    // How a process ended.
    case closed = "end: a clean stop"
    case killed = "end: a kill"
    case powerCut = "end: a power cut"
    case stoppedAtOperation = "end: at an operation of the disk"
    case stoppedInMidTurn = "end: with a thread in the middle of its turn"
    case powerCutAfterClose = "end: a power cut after a clean stop"

    // How a start went.
    case stoppedStart = "start: the machine stopped in it"
    case stoppedStartTwice = "start: the machine stopped in two in a row"
    case powerCutInStart = "start: a power cut in it"
    case failedStart = "start: failed by a disk's error"
    case fullDiskStart = "start: on a full disk, and it went well"
    case failedSyncStart = "start: failed by a failed sync"

    // What recovery did.
    case cleanStart = "recovery: after a clean stop"
    case crashStart = "recovery: after a crash"
    case believedCheckpoint = "recovery: the checkpoint spared a part of the log"
    case walkedAll = "recovery: the whole log walked"
    case cutTail = "recovery: a torn tail cut"
    case keptDamage = "recovery: damage kept and named"
    case searchFailed = "a search failed at an unreadable index file"
    case passedUnreadable = "recovery: an unreadable place of the log passed over"
    case rebuiltEntries = "recovery: queue entries written anew"
    case lostUnsynced = "recovery: acknowledged before a sync, and lost with the power"
    case keptUnanswered = "recovery: never answered, and there"
    case lostUnanswered = "recovery: never answered, and gone"

    // What senders were told.
    case flushed = "answer: flushed"
    case timedOut = "answer: timed out"
    case syncFailed = "answer: the sync failed"
    case refused = "answer: an error"
    case uncertain = "answer: may or may not be stored"

    // What else was done.
    case lockAwaited = "a thread waited for a lock that another held at the disk"
    case deleted = "a topic deleted"
    case interruptedDeletion = "a topic's deletion cut short"
    case removedSegment = "the log's first segment removed"
    case readWhileRemoved = "a read across the removal of a segment"
    case servedToReader = "a reader was served while others wrote"

    /// One thread had the turn while another was in the middle of its own.
    static func overlap(_ runner: String, in stopped: String) -> String { "\(runner) ran in the middle of \(stopped)" }
}

/// How many lives met what.
struct SimulationTally: Sendable {
    private(set) var lives = 0
    private var counts: [String: Int] = [:]

    mutating func add(_ met: Set<String>) {
        lives += 1
        for event in met { counts[event, default: 0] += 1 }
    }

    mutating func add(_ other: SimulationTally) {
        lives += other.lives
        counts.merge(other.counts, uniquingKeysWith: +)
    }

    /// All that a batch of lives should meet.
    static var expected: [String] {
        let threads = StoreSimulation.threads
        return SimulationEvent.allCases.map(\.rawValue)
            + threads.flatMap { stopped in
                threads.filter { $0 != stopped }.map { SimulationEvent.overlap($0, in: stopped) }
            }
    }

    /// What no life met.
    var missing: [String] { Self.expected.filter { counts[$0] == nil } }

    /// A line for each.
    var table: String {
        Self.expected.map { event in
            let count = String(counts[event] ?? 0)
            return String(repeating: " ", count: max(0, 8 - count.count)) + count + "  " + event
        }.joined(separator: "\n")
    }
}
