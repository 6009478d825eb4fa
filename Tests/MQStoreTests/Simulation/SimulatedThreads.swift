import Foundation

@testable import MQStore

/// The threads of one process, of which one runs at a time: who that is, and where it stops, is the simulation's to say.
///
/// Each has a real thread, so that the store's code runs as it is. A thread that has the turn goes on until its allowance
/// of operations of the disk is used up, or until it wants a lock that another one holds; it stops *before* the
/// operation, and the turn goes back to who gave it. Nothing else switches threads, so that one seed has one history.
///
/// What this cannot see: a switch between two operations of the disk. Between those the store's threads share atomics
/// and short locks, which are the thread sanitizer's to judge.
final class SimulatedThreads {
    private let book = LockBook()
    private var all: [SimulatedThread] = []

    /// Threads with these names.
    init(_ names: [String]) { all = names.map { SimulatedThread($0, book) } }

    deinit {
        for thread in all { book.finish(thread) }
        for thread in all { thread.end() }
    }

    subscript(_ name: String) -> SimulatedThread {
        guard let thread = all.first(where: { $0.name == name }) else { preconditionFailure("no thread \(name)") }
        return thread
    }

    /// Those that stopped in the middle of something.
    var stopped: [SimulatedThread] { all.filter(\.isBusy) }

    /// What the calling thread, who gives the turns, asks of a lock that a stopped thread holds: that it goes on first.
    var caller: any DiskTurns { Caller(book: book) }

    /// Lets a thread go on to the end of what it does, and before it those who are in its way.
    func finish(_ thread: SimulatedThread) { book.finish(thread) }

    private struct Caller: DiskTurns {
        let book: LockBook
        func willLock(_ lock: ObjectIdentifier) { if let holder = book.holders[lock] { book.finish(holder) } }
        func didUnlock(_ lock: ObjectIdentifier) {}
    }
}

/// Who holds which lock. @unchecked: touched by whoever has the turn, and turns change hands over semaphores.
private final class LockBook: @unchecked Sendable {
    var holders: [ObjectIdentifier: SimulatedThread] = [:]

    func finish(_ thread: SimulatedThread) {
        var patience = 1_000
        while thread.isBusy {
            patience -= 1
            precondition(patience > 0, "\(thread.name) waits for a lock whose holder waits for it")
            if let lock = thread.wanted, let holder = holders[lock] { finish(holder) } else { thread.go(on: .max) }
        }
    }
}

/// One of them. @unchecked: touched by whoever has the turn, and turns change hands over semaphores.
final class SimulatedThread: DiskTurns, @unchecked Sendable {
    let name: String
    private let book: LockBook
    private let turn = DispatchSemaphore(value: 0)
    private let answer = DispatchSemaphore(value: 0)
    private var work: (() -> Void)?
    private var hasEnded = false
    private var allowance = 0
    private var thread: StoreThread?
    /// The lock for which it waits.
    fileprivate(set) var wanted: ObjectIdentifier?
    /// Before how many operations it stopped so far.
    private(set) var stops = 0

    fileprivate init(_ name: String, _ book: LockBook) {
        self.name = name
        self.book = book
        thread = StoreThread(name: "sim-\(name)") { [self] in
            CurrentTurns.$value.withValue(self) { run() }
        }
    }

    private func run() {
        while true {
            turn.wait()
            if hasEnded { return }
            work?()
            work = nil
            answer.signal()
        }
    }

    /// Whether it stopped in the middle of something.
    var isBusy: Bool { work != nil }

    /// Gives it something to do, and the turn for so many operations.
    func begin(operations: Int, _ body: @escaping () -> Void) {
        precondition(!isBusy, "\(name) is at something else")
        work = body
        go(on: operations)
    }

    /// Gives it the turn for so many more operations.
    func go(on operations: Int) {
        allowance = operations
        turn.signal()
        answer.wait()
    }

    fileprivate func end() {
        precondition(!isBusy, "\(name) was left in the middle of something")
        hasEnded = true
        turn.signal()
        thread?.join()
        thread = nil
    }

    // MARK: On the thread itself

    /// An operation of the disk is to come.
    func willOperate() {
        if allowance <= 0 { stop() }
        allowance -= 1
    }

    private func stop() {
        stops += 1
        answer.signal()
        turn.wait()
    }

    func willLock(_ lock: ObjectIdentifier) {
        while book.holders[lock] != nil {
            wanted = lock
            stop()
        }
        wanted = nil
        book.holders[lock] = self
    }

    func didUnlock(_ lock: ObjectIdentifier) { book.holders[lock] = nil }
}
