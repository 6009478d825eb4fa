/// Which queue a message without a wish goes to: one after the other from a random start, and after a failure one of
/// another broker, if there is one.
struct QueueRotation: Sendable {
    private var index: Int

    init(start: Int) { index = start }

    /// The next queue; `nil` only when there is none.
    mutating func next(of queues: [MessageQueue], avoiding brokerName: String?) -> MessageQueue? {
        guard !queues.isEmpty else { return nil }
        for _ in queues.indices {
            let queue = queues[index % queues.count]
            index &+= 1
            if index < 0 { index = 0 }
            if queue.brokerName != brokerName { return queue }
        }
        let queue = queues[index % queues.count]
        index &+= 1
        return queue
    }
}
