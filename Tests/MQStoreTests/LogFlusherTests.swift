import Foundation
import MQWire
import NIOCore
import Synchronization
import SystemPackage
import Testing

@testable import MQStore

/// The flusher with a sync that obeys the test: no real disk is as slow or as broken on demand.
@Suite struct LogFlusherTests {
    private final class Answers: Sendable {
        private let outcomes = Mutex<[AppendOutcome]>([])
        var all: [AppendOutcome] { outcomes.withLock { $0 } }

        static func isSynced(_ outcome: AppendOutcome) -> Bool {
            if case .stored(let receipt) = outcome { receipt.durability == .synced } else { false }
        }

        func waiter() -> LogFlusher.Waiter {
            let append = Append(
                drafts: [], awaitsFlush: true,
                completion: { [self] outcome in outcomes.withLock { $0.append(outcome) } }, bytes: 0)
            return .init(
                append: append, receipt: .init(logOffsets: [], queueOffset: 0, storeTimestamp: 0))
        }

        /// Waits for that many answers; the deadline only bounds a failure.
        func wait(for count: Int) -> Bool {
            let deadline = ContinuousClock.now.advanced(by: .seconds(10))
            while all.count < count {
                if ContinuousClock.now > deadline { return false }
                usleep(1000)
            }
            return true
        }
    }

    private func configuration() -> StoreConfiguration {
        var configuration = StoreConfiguration(root: "/nowhere")
        configuration.flushPolicy = .sync
        return configuration
    }

    /// Who asks for no more than a result hears success of nothing that a power cut may take.
    @Test func whatIsUnconfirmedIsNoSuccess() {
        let receipt = AppendReceipt(logOffsets: [0], queueOffset: 0, storeTimestamp: 0)
        let failed = StoreError(.inputOutput, path: "/log", message: "fdatasync")
        for doubt in [AppendOutcome.Doubt.timedOut, .syncFailed(failed)] {
            guard case .failure(let error) = AppendOutcome.unconfirmed(receipt, doubt).result else {
                Issue.record("\(doubt) is a success")
                continue
            }
            #expect(error.code == .uncertain, "\(doubt)")
        }
    }

    /// The writer syncs the log's files too, and the kernel tells of a failure once: whoever met it, nobody is promised
    /// anything afterwards.
    @Test func aSyncThatFailedElsewhereIsNotFollowedByAPromise() {
        let answers = Answers()
        let failures = Mutex(0)
        let progress = StoreProgress(logEnd: 0, timestamp: 0)
        let flusher = LogFlusher(
            configuration: configuration(), progress: progress, sync: { _ throws(StoreError) in }, now: { 0 },
            onFailure: { _ in failures.withLock { $0 += 1 } })
        flusher.add([answers.waiter()], writtenTo: 100, timestamp: 0)
        #expect(throws: StoreError.self) {
            try flusher.syncing { () throws(StoreError) in throw StoreError(.inputOutput, message: "fdatasync") }
        }
        flusher.round()
        #expect(answers.wait(for: 1))
        #expect(answers.all.allSatisfy { if case .unconfirmed(_, .syncFailed) = $0 { true } else { false } })
        #expect(progress.flushedOffset == 0 && flusher.hasFailed && failures.withLock { $0 } == 1)
    }

    @Test func whoeverComesDuringASyncSharesTheNextOne() {
        let answers = Answers()
        let ranges = Mutex<[Range<Int64>]>([])
        let gate = DispatchSemaphore(value: 0)
        let flusher = LogFlusher(
            configuration: configuration(), progress: StoreProgress(logEnd: 0, timestamp: 0),
            sync: { range throws(StoreError) in
                ranges.withLock { $0.append(range) }
                gate.wait()
            }, now: { 0 }, onFailure: { _ in })
        flusher.start()
        flusher.add([answers.waiter()], writtenTo: 100, timestamp: 0)
        while ranges.withLock({ $0.isEmpty }) { usleep(1000) }
        for end in 2...9 { flusher.add([answers.waiter()], writtenTo: Int64(end) * 100, timestamp: 0) }
        gate.signal()
        gate.signal()
        #expect(answers.wait(for: 9))
        #expect(answers.all.allSatisfy(Answers.isSynced))
        #expect(ranges.withLock { $0 } == [0..<100, 100..<900])
        flusher.stop()
    }

    @Test func aSlowSyncIsAnsweredWithATimeOutOnce() {
        let answers = Answers()
        let clock = Atomic<Int64>(0)
        let gate = DispatchSemaphore(value: 0)
        let began = Atomic(false)
        let flusher = LogFlusher(
            configuration: configuration(), progress: StoreProgress(logEnd: 0, timestamp: 0),
            sync: { _ throws(StoreError) in
                began.store(true, ordering: .releasing)
                gate.wait()
            }, now: { clock.load(ordering: .relaxed) }, onFailure: { _ in })
        flusher.start()
        flusher.add([answers.waiter()], writtenTo: 100, timestamp: 0)
        while !began.load(ordering: .acquiring) { usleep(1000) }
        clock.store(5000, ordering: .relaxed)
        flusher.answerOverdue()
        #expect(answers.all.isEmpty)
        clock.store(5001, ordering: .relaxed)
        flusher.answerOverdue()
        gate.signal()
        flusher.stop()
        #expect(answers.all.count == 1)
        #expect(answers.all.allSatisfy { if case .unconfirmed(_, .timedOut) = $0 { true } else { false } })
    }

    @Test func aFailedSyncIsSaidToThoseItCoveredAndIsFinal() {
        let answers = Answers()
        let failures = Mutex<[StoreError]>([])
        let syncs = Atomic<Int>(0)
        let progress = StoreProgress(logEnd: 0, timestamp: 0)
        let flusher = LogFlusher(
            configuration: configuration(), progress: progress,
            sync: { _ throws(StoreError) in
                // As Linux does it: the error is told once, and the next sync of the lost pages succeeds.
                guard syncs.add(1, ordering: .relaxed).oldValue == 0 else { return }
                throw StoreError(.inputOutput, path: "/nowhere", message: "fdatasync", cause: .ioError)
            }, now: { 0 }, onFailure: { error in failures.withLock { $0.append(error) } })
        flusher.start()
        flusher.add([answers.waiter()], writtenTo: 100, timestamp: 0)
        #expect(answers.wait(for: 1))
        flusher.add([answers.waiter()], writtenTo: 200, timestamp: 0)
        #expect(answers.wait(for: 2))
        #expect(answers.all.allSatisfy { if case .unconfirmed(_, .syncFailed) = $0 { true } else { false } })
        #expect(progress.flushedOffset == 0)
        flusher.stop()
        #expect(failures.withLock { $0.first?.code } == .inputOutput)
    }

    @Test func whoeverComesBehindAHungSyncIsAnsweredInTime() {
        let answers = Answers()
        let gate = DispatchSemaphore(value: 0)
        let began = Atomic(false)
        var configuration = configuration()
        configuration.syncFlushTimeoutMilliseconds = 100
        let flusher = LogFlusher(
            configuration: configuration, progress: StoreProgress(logEnd: 0, timestamp: 0),
            sync: { _ throws(StoreError) in
                began.store(true, ordering: .releasing)
                gate.wait()
            }, now: MonotonicClock.milliseconds, onFailure: { _ in })
        flusher.start()
        flusher.add([answers.waiter()], writtenTo: 100, timestamp: 0)
        while !began.load(ordering: .acquiring) { usleep(1000) }
        flusher.add([answers.waiter(), answers.waiter()], writtenTo: 300, timestamp: 0)
        #expect(flusher.waiters == 3)
        // The disk still hangs.
        #expect(answers.wait(for: 3) && flusher.waiters == 0)
        gate.signal()
        gate.signal()
        flusher.stop()
        #expect(answers.all.count == 3)
        #expect(answers.all.allSatisfy { if case .unconfirmed(_, .timedOut) = $0 { true } else { false } })
    }

    @Test func onlySoManyMayWaitForAHungDisk() {
        var configuration = configuration()
        configuration.maximumWaitingAppends = 2
        let unflushed = FlushBacklog()
        unflushed.add(1)
        let refusals = Mutex<[StoreError.Code]>([])
        let writer = LogWriter(configuration: configuration, unflushed: unflushed)
        func submit() {
            writer.submit(
                Append(
                    drafts: [], awaitsFlush: true,
                    completion: { outcome in
                        if case .refused(let error) = outcome { refusals.withLock { $0.append(error.code) } }
                    }, bytes: 0), wakes: true)
        }
        submit()
        #expect(refusals.withLock { $0.isEmpty })
        unflushed.add(1)
        submit()
        #expect(refusals.withLock { $0 } == [.overloaded])
    }

    /// Few pages wait for more of them, but not for ever.
    @Test func fewPagesAreSyncedLater() {
        var configuration = configuration()
        configuration.flushPolicy = .async
        configuration.flushIntervalMilliseconds = 1
        configuration.flushLeastPages = 4
        configuration.thoroughFlushIntervalMilliseconds = 10_000
        let pages: Int64 = 4 * 4096
        let time = Atomic<Int64>(0)
        let synced = Mutex<[Int64]>([])
        let flusher = LogFlusher(
            configuration: configuration, progress: StoreProgress(logEnd: 0, timestamp: 0),
            sync: { range throws(StoreError) in synced.withLock { $0.append(range.upperBound) } },
            now: { time.load(ordering: .relaxed) }, onFailure: { _ in })
        func waits(for ends: [Int64]) -> Bool {
            let deadline = ContinuousClock.now.advanced(by: .seconds(10))
            while synced.withLock({ $0 }) != ends {
                if ContinuousClock.now > deadline { return false }
                usleep(1000)
            }
            return true
        }
        flusher.start()
        flusher.add([], writtenTo: pages - 1, timestamp: 0)
        // Thirty intervals in which nothing may happen.
        usleep(30_000)
        #expect(synced.withLock { $0.isEmpty })
        flusher.add([], writtenTo: pages, timestamp: 0)
        #expect(waits(for: [pages]))
        flusher.add([], writtenTo: pages + 1, timestamp: 0)
        usleep(30_000)
        #expect(synced.withLock { $0.count } == 1)
        time.store(10_000, ordering: .relaxed)
        #expect(waits(for: [pages, pages + 1]))
        // What is left is synced at the end, however little.
        flusher.add([], writtenTo: pages + 2, timestamp: 0)
        flusher.stop()
        #expect(synced.withLock { $0 } == [pages, pages + 1, pages + 2])
    }
}
