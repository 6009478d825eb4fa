import Glibc
import MQStore
import MQWire
import NIOCore
import Synchronization
import SystemPackage

/// What a store is loaded with: the same records again and again, as a broker hands them over.
struct StoreLoad: Sendable {
    static let topic = "bench"
    static let queues = 4

    let folder: FilePath
    let bodyBytes: Int
    let policy: FlushPolicy

    /// The record that is stored over and over, in this queue.
    func draft(_ queue: Int) -> RecordDraft {
        let id = "7F0000010A0B18B4AAC2105100000000"
        let properties: MessageProperties = ["UNIQ_KEY": id, "CLUSTER": "DefaultCluster"]
        return RecordDraft(
            topic: Self.topic, queueID: Int32(queue % Self.queues), bornTimestamp: 1_700_000_000_000,
            bornHost: RecordHost.loopback, storeHost: RecordHost.loopback,
            body: ByteBuffer(repeating: 0x61, count: bodyBytes), properties: properties.encoded)
    }

    /// So many records are handed over in one breath.
    private static let breath = 64

    /// What the draft becomes in the log.
    var recordBytes: Int { draft(0).encodedSize }

    func open() throws -> MessageStore {
        var configuration = StoreConfiguration(root: folder)
        configuration.flushPolicy = policy
        return try MessageStore(configuration: configuration, now: Self.wallClock)
    }

    @Sendable static func wallClock() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// Appends so many records, as many on their way at once as `inFlight` says, and waits for the last answer.
    ///
    /// Whoever answers makes room; the appending thread hands over what fits in one breath, as a broker's event loop does.
    func append(_ count: Int, to store: MessageStore, inFlight: Int) throws {
        let drafts = (0..<Self.queues).map(draft)
        let answers = Answers()
        var sent = 0
        while sent < count {
            answers.wait(for: sent + Self.breath - max(inFlight, Self.breath))
            for _ in 0..<min(Self.breath, count - sent) {
                store.append([drafts[sent % Self.queues]], wakesWriter: false) { answers.answered($0) }
                sent += 1
            }
            store.wakeWriter()
        }
        answers.wait(for: count)
        if let failure = answers.failure { throw failure }
    }

    /// Appends from so many producers, each of which sends its next record when its last one is answered, until the
    /// window closes; how many were answered in it.
    func append(producers: Int, to store: MessageStore, seconds: Double) throws -> Int {
        let lane = ClosedLoop(store: store, drafts: (0..<Self.queues).map(draft))
        let start = ContinuousClock.now
        for producer in 0..<producers { lane.send(producer) }
        while ContinuousClock.now < start + .seconds(seconds) { usleep(1000) }
        return try lane.stop()
    }
}

/// Counts the answers; the one appending thread knows how many it has sent, and sleeps until there is room.
private final class Answers: Sendable {
    private let count = Atomic(0)
    private let failed = Mutex<StoreError?>(nil)

    var failure: StoreError? { failed.withLock { $0 } }

    func answered(_ outcome: AppendOutcome) {
        if case .failure(let error) = outcome.result { failed.withLock { if $0 == nil { $0 = error } } }
        count.wrappingAdd(1, ordering: .relaxed)
    }

    /// Waits until there are so many.
    func wait(for wanted: Int) { while count.load(ordering: .relaxed) < wanted { usleep(20) } }
}

/// Producers that each have one record on its way.
private final class ClosedLoop: Sendable {
    private let store: MessageStore
    private let drafts: [RecordDraft]
    private let answered = Atomic(0)
    private let open = Atomic(0)
    private let isStopped = Atomic(false)
    private let failure = Mutex<StoreError?>(nil)

    init(store: MessageStore, drafts: [RecordDraft]) {
        self.store = store
        self.drafts = drafts
    }

    func send(_ producer: Int) {
        open.wrappingAdd(1, ordering: .relaxed)
        store.append([drafts[producer % drafts.count]]) { [self] outcome in
            switch outcome.result {
            case .success:
                answered.wrappingAdd(1, ordering: .relaxed)
                if !isStopped.load(ordering: .relaxed) { send(producer) }
            case .failure(let error): failure.withLock { $0 = error }
            }
            open.wrappingSubtract(1, ordering: .relaxed)
        }
    }

    func stop() throws -> Int {
        let count = answered.load(ordering: .relaxed)
        isStopped.store(true, ordering: .relaxed)
        while open.load(ordering: .relaxed) > 0 { usleep(100) }
        if let failure = failure.withLock({ $0 }) { throw failure }
        return count
    }
}
