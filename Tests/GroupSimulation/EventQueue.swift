/// What is to happen, by time; what is to happen at the same time, in the order in which it was added.
struct EventQueue<Event> {
    private var heap: [(at: Int64, order: Int, event: Event)] = []
    private var added = 0

    mutating func add(_ event: Event, at time: Int64) {
        heap.append((time, added, event))
        added += 1
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard isBefore(child, parent) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    /// The next one up to a time.
    mutating func next(until limit: Int64) -> (at: Int64, event: Event)? {
        guard let first = heap.first, first.at <= limit else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            var parent = 0
            while true {
                var child = 2 * parent + 1
                guard child < heap.count else { break }
                if child + 1 < heap.count, isBefore(child + 1, child) { child += 1 }
                guard isBefore(child, parent) else { break }
                heap.swapAt(child, parent)
                parent = child
            }
        }
        return (first.at, first.event)
    }

    private func isBefore(_ one: Int, _ other: Int) -> Bool {
        (heap[one].at, heap[one].order) < (heap[other].at, heap[other].order)
    }
}
