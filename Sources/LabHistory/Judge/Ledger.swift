/// What is known of each value that was sent, in bounded memory.
///
/// Ten bytes a value (its flags and its body's hash), indexed by producer and sequence. The times, lines and places
/// that a witness needs are kept only for values that are still *open*: a value is closed when it is acknowledged
/// and delivered. In a healthy run those are the few in flight; in a sick one the first `maximumOpen` are enough for
/// a minimal witness.
struct Ledger: Sendable {
    /// What has been seen of one value.
    struct Flags: OptionSet, Sendable {
        let rawValue: UInt16
        static let invoked = Flags(rawValue: 1)
        static let ok = Flags(rawValue: 2)
        static let weak = Flags(rawValue: 4)
        static let failed = Flags(rawValue: 8)
        static let unknown = Flags(rawValue: 16)
        /// Delivered to anybody.
        static let delivered = Flags(rawValue: 32)
        /// Found in a replica's log with a checksum that agrees.
        static let scanned = Flags(rawValue: 64)
        /// Found in a replica's log with a checksum that does not.
        static let damaged = Flags(rawValue: 128)
        /// Some place in a queue is known to be its: by an acknowledgement, a delivery or a scan.
        static let placed = Flags(rawValue: 256)
    }

    /// An attempt that has no completion yet.
    struct Attempt: Sendable {
        var key: ValueKey
        var line: Int
        var atNanoseconds: Int64
    }

    /// What a witness tells of one value.
    struct Detail: Sendable {
        var sentLine: Int
        var sentAt: Int64
        var completion: SendCompletion?
        var completedLine: Int?
        var completedAt: Int64?
        var deliveredLine: Int?
        var deliveredFrom: QueuePlace?
        var scannedLine: Int?
        var scannedReplica: String?
    }

    private struct Producer: Sendable {
        var number: Int
        var flags: [Flags] = []
        var hashes: [UInt64] = []
    }

    /// A producer's sequence may run ahead of its invocations by so much; more is no trial's history.
    static let maximumGap = 1 << 16
    static let maximumProducers = 4096
    static let maximumOpen = 1 << 16

    private var producers: [Producer] = []
    private var slots: [Int: Int] = [:]
    private(set) var attempts: [Int: Attempt] = [:]
    private(set) var open: [ValueKey: Detail] = [:]

    // MARK: Reading

    func key(of value: ValueID) -> ValueKey? {
        guard let slot = slots[value.producer], value.sequence < producers[slot].flags.count,
            producers[slot].flags[value.sequence].contains(.invoked)
        else { return nil }
        return ValueKey(producerSlot: slot, sequence: value.sequence)
    }

    func value(of key: ValueKey) -> ValueID {
        ValueID(producer: producers[key.producerSlot].number, sequence: key.sequence)
    }

    func flags(of key: ValueKey) -> Flags { producers[key.producerSlot].flags[key.sequence] }

    func hash(of key: ValueKey) -> UInt64 { producers[key.producerSlot].hashes[key.sequence] }

    /// Visits every value that was sent, by producer and sequence.
    func forEachValue(_ body: (ValueKey, Flags) -> Void) {
        for (slot, producer) in producers.enumerated() {
            for (sequence, flags) in producer.flags.enumerated() where flags.contains(.invoked) {
                body(ValueKey(producerSlot: slot, sequence: sequence), flags)
            }
        }
    }

    /// Values with an attempt that never completed: it may have happened at any time.
    var unresolved: Set<ValueKey> { Set(attempts.values.map(\.key)) }

    // MARK: Writing

    /// Nil when the invocation is none that a trial writes.
    mutating func invoke(_ send: SendInvocation, at nanoseconds: Int64, line: Int) -> ValueKey? {
        guard attempts[send.operation] == nil, let slot = slot(of: send.value.producer),
            send.value.sequence < producers[slot].flags.count + Self.maximumGap
        else { return nil }
        let missing = send.value.sequence + 1 - producers[slot].flags.count
        if missing > 0 {
            producers[slot].flags.append(contentsOf: repeatElement([], count: missing))
            producers[slot].hashes.append(contentsOf: repeatElement(0, count: missing))
        }
        let key = ValueKey(producerSlot: slot, sequence: send.value.sequence)
        producers[slot].flags[key.sequence].insert(.invoked)
        producers[slot].hashes[key.sequence] = send.bodyHash
        attempts[send.operation] = Attempt(key: key, line: line, atNanoseconds: nanoseconds)
        if open.count < Self.maximumOpen, open[key] == nil {
            open[key] = Detail(sentLine: line, sentAt: nanoseconds)
        }
        return key
    }

    /// The attempt that completed; nil when there is none of that number.
    mutating func complete(_ done: SendCompletion, at nanoseconds: Int64, line: Int) -> Attempt? {
        guard let attempt = attempts.removeValue(forKey: done.operation) else { return nil }
        let flag: Flags =
            switch done.outcome {
            case .ok: .ok
            case .weak: .weak
            case .fail: .failed
            case .info: .unknown
            }
        insert(done.stored == nil ? flag : [flag, .placed], attempt.key)
        if open[attempt.key]?.completion?.outcome != .ok {
            // An acknowledgement is what a witness must tell of, whatever a later attempt came to.
            open[attempt.key]?.completion = done
            open[attempt.key]?.completedLine = line
            open[attempt.key]?.completedAt = nanoseconds
        }
        return attempt
    }

    mutating func deliver(_ key: ValueKey, _ delivery: Delivery, line: Int) {
        insert([.delivered, .placed], key)
        guard open[key]?.deliveredLine == nil else { return }
        open[key]?.deliveredLine = line
        open[key]?.deliveredFrom = QueuePlace(delivery)
    }

    /// Forgets the detail of a value that is acknowledged and delivered; done after the checkers saw the event.
    mutating func closeIfSettled(_ key: ValueKey) {
        if flags(of: key).isSuperset(of: [.ok, .delivered]) { open[key] = nil }
    }

    mutating func scan(_ key: ValueKey, _ record: ScannedRecord, line: Int) {
        insert(record.checksumAgrees ? [.scanned, .placed] : .damaged, key)
        guard open[key]?.scannedLine == nil else { return }
        open[key]?.scannedLine = line
        open[key]?.scannedReplica = record.replica
    }

    private mutating func insert(_ flag: Flags, _ key: ValueKey) {
        producers[key.producerSlot].flags[key.sequence].insert(flag)
    }

    private mutating func slot(of producer: Int) -> Int? {
        if let slot = slots[producer] { return slot }
        guard producer >= 0, producers.count < Self.maximumProducers else { return nil }
        producers.append(Producer(number: producer))
        slots[producer] = producers.count - 1
        return producers.count - 1
    }
}
