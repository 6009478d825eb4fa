/// One place in one queue, as a client names it.
struct QueuePlace: Hashable, Sendable {
    var queue: RunRecord.QueueKey
    var offset: Int64

    init(queue: RunRecord.QueueKey, offset: Int64) {
        self.queue = queue
        self.offset = offset
    }

    init(_ stored: StoredAt) {
        self.init(queue: .init(broker: stored.broker, queueID: stored.queueID), offset: stored.queueOffset)
    }

    init(_ delivery: Delivery) {
        self.init(queue: .init(broker: delivery.broker, queueID: delivery.queueID), offset: delivery.queueOffset)
    }

    /// As in `offset 3 of queue 0 on broker-a`.
    var text: String { "offset \(offset) of queue \(queue.queueID) on \(queue.broker)" }
}
