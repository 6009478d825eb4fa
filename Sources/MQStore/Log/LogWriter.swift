import MQWire
import NIOCore
import Synchronization

/// The only one who writes the commit log: a thread that takes everything gathered since its last write, gives it
/// offsets, writes it at once and then lets readers see it.
///
/// While one batch is written the next one gathers; taking it is a swap of two lists.
final class LogWriter: Sendable {
    /// What waits to be written.
    private struct Inbox {
        var appends: [Append] = []
        var bytes = 0
        var deletedTopics: [(topic: String, done: @Sendable (StoreError?) -> Void)] = []
        var isClosed = false
        var refusal: StoreError?

        var hasWork: Bool { !appends.isEmpty || !deletedTopics.isEmpty || isClosed }
    }

    private let configuration: StoreConfiguration
    private let inbox = WaitableMutex(Inbox())
    private let thread = Mutex<StoreThread?>(nil)
    /// How many appends are written and wait for a sync.
    private let unflushed: @Sendable () -> Int

    init(configuration: StoreConfiguration, unflushed: @escaping @Sendable () -> Int) {
        self.configuration = configuration
        self.unflushed = unflushed
    }

    /// Starts the thread that owns the machine.
    func start(_ box: Handover<LogWriteLoop>) {
        let started = StoreThread(name: "store-writer") { [self] in
            guard let machine = box.take() else { return }
            while turn(machine) {}
        }
        thread.withLock { $0 = started }
    }

    /// Queues messages for the next write; refuses at once when too much waits or the store is closed.
    func submit(_ append: Append) {
        let refusal: StoreError? = inbox.withLockAndWake { inbox in
            if let refusal = inbox.refusal { return refusal }
            if inbox.isClosed { return StoreError(.closed, message: "the store was stopped; send to another broker") }
            if inbox.bytes + append.bytes > configuration.maximumWaitingBytes
                || inbox.appends.count >= configuration.maximumWaitingAppends
            {
                return StoreError(
                    .overloaded,
                    message: "\(inbox.appends.count) messages of \(inbox.bytes) bytes wait for the disk; send slower")
            }
            if unflushed() >= configuration.maximumWaitingAppends {
                return StoreError(
                    .overloaded, message: "\(unflushed()) messages wait for the disk's confirmation; send slower")
            }
            inbox.appends.append(append)
            inbox.bytes += append.bytes
            return nil
        }
        if let refusal { append.completion(.failure(refusal)) }
    }

    /// Removes a topic's queues between two writes, and tells `done`.
    func deleteTopic(_ topic: String, done: @escaping @Sendable (StoreError?) -> Void) {
        let isClosed = inbox.withLockAndWake { inbox in
            if !inbox.isClosed { inbox.deletedTopics.append((topic, done)) }
            return inbox.isClosed
        }
        if isClosed { done(StoreError(.closed, message: "the store was stopped")) }
    }

    /// From now on every append is refused with this error.
    func refuse(_ error: StoreError) {
        inbox.withLock { if $0.refusal == nil { $0.refusal = error } }
    }

    /// Writes what waits and ends the thread.
    func stop() {
        inbox.withLockAndWake { $0.isClosed = true }
        thread.withLock { $0 }?.join()
    }

    /// Waits for work and does it; `false` when that was the last.
    func turn(_ machine: LogWriteLoop) -> Bool {
        let (appends, deleted, isClosed, refusal) = inbox.wait(until: \.hasWork) { inbox in
            let taken = (inbox.appends, inbox.deletedTopics, inbox.isClosed, inbox.refusal)
            inbox.appends = []
            inbox.appends.reserveCapacity(taken.0.count)
            inbox.bytes = 0
            inbox.deletedTopics = []
            return taken
        }
        if let refusal {
            for append in appends { append.completion(.failure(refusal)) }
        } else {
            machine.write(appends)
        }
        for item in deleted { item.done(machine.delete(topic: item.topic)) }
        return !(isClosed && appends.isEmpty && deleted.isEmpty)
    }

    /// Whether ``turn(_:)`` would find anything to do.
    var hasWork: Bool { inbox.withLock { $0.hasWork } }
}

/// Carries a value to the thread that will own it.
final class Handover<Value>: @unchecked Sendable {
    // @unchecked: `value` is touched only under `lock`, and leaves once.
    private let lock = Mutex<Void>(())
    private var value: Value?

    init(_ value: sending Value) { self.value = value }

    func take() -> Value? {
        lock.withLock { _ in
            defer { value = nil }
            return value
        }
    }
}
