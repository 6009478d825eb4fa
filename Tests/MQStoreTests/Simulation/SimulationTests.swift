import Foundation
import SystemPackage
import Testing

@testable import MQStore

/// Works on a thread of its own: seconds of work on one of the few that all tests share would starve the others.
func onThread<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
    await withCheckedContinuation { continuation in
        Thread.detachNewThread { continuation.resume(returning: body()) }
    }
}

/// Seeded lives of a store on a simulated disk (``StoreSimulation``).
///
/// `SEED=n` lives that one life, `COUNT=n` so many from there on, `TRACE=1` prints each step:
/// `make sim SEED=… COUNT=… TRACE=1`. `LOST=0` loses no files, `LOST=1` no queues; `FIRST=1` ends each worker's share
/// at its first broken promise.
@Suite struct SimulationTests {
    /// What came of a batch of lives.
    struct Outcome: Sendable {
        var violations: [String] = []
        var starts = 0
        /// The lives up to the first that went wrong, of the worker who met it.
        var livesToFirst: Int?
        var tally = SimulationTally()
    }

    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    /// A `SEED` or `COUNT` that is no number would otherwise be passed over, and nothing tried would seem to be well.
    struct NoNumber: Error, CustomStringConvertible {
        var description: String
    }

    /// The seeds that `SEED` and `COUNT` ask for.
    static func seeds(
        _ environment: [String: String], defaultCount: UInt64 = 400
    ) throws(NoNumber) -> Range<UInt64> {
        func number(_ name: String, _ default: UInt64) throws(NoNumber) -> UInt64 {
            guard let text = environment[name] else { return `default` }
            guard let value = UInt64(text), value > 0 else {
                throw NoNumber(description: "\(name)='\(text)' is no number from 1 on")
            }
            return value
        }
        let first = try number("SEED", 1)
        let (end, isTooLarge) = first.addingReportingOverflow(try number("COUNT", defaultCount))
        if isTooLarge { throw NoNumber(description: "SEED and COUNT are together too large") }
        return first..<end
    }

    @Test func seedsAreNumbers() throws {
        #expect(try Self.seeds([:]) == 1..<401)
        #expect(try Self.seeds(["SEED": "7", "COUNT": "1"]) == 7..<8)
        for wrong in [
            ["COUNT": "0"], ["COUNT": "-3"], ["COUNT": ""], ["SEED": "abc"], ["SEED": "0"], ["SEED": "1e3"],
            ["SEED": "\(UInt64.max)"],
        ] {
            #expect(throws: NoNumber.self, "\(wrong)") { try Self.seeds(wrong) }
        }
    }

    /// Lives the lives of these seeds, on as many threads as there are cores.
    static func live(
        _ seeds: Range<UInt64>, _ options: StoreSimulation.Options = .init(), stopAtFirst: Bool = false
    ) async -> Outcome {
        await withTaskGroup(of: Outcome.self) { group in
            let workers = UInt64(max(1, ProcessInfo.processInfo.activeProcessorCount))
            for worker in 0..<workers {
                group.addTask {
                    await onThread {
                        var outcome = Outcome()
                        for seed in seeds where seed % workers == worker {
                            var simulation = StoreSimulation(seed: seed, options: options)
                            do { try simulation.run() } catch {
                                outcome.violations.append("\(error) [make sim SEED=\(seed) COUNT=1]")
                                outcome.livesToFirst = outcome.livesToFirst ?? outcome.tally.lives + 1
                            }
                            outcome.starts += simulation.starts
                            outcome.tally.add(simulation.events)
                            if stopAtFirst && !outcome.violations.isEmpty { break }
                        }
                        return outcome
                    }
                }
            }
            return await group.reduce(into: Outcome()) { sum, part in
                sum.violations += part.violations
                sum.starts += part.starts
                sum.livesToFirst = [sum.livesToFirst, part.livesToFirst].compactMap { $0 }.min()
                sum.tally.add(part.tally)
            }
        }
    }

    /// Every promise is kept, and the lives are not too sheltered: each fault of the model, each branch of recovery and
    /// each pair of threads was met.
    @Test func everyPromiseIsKeptInEveryLife() async throws {
        let seeds = try Self.seeds(ProcessInfo.processInfo.environment)
        let (first, count) = (seeds.lowerBound, UInt64(seeds.count))
        var options = StoreSimulation.Options()
        options.isTraced = Self.number("TRACE") != nil
        if let lost = Self.number("LOST") { (options.lostFiles, options.lostQueues) = (lost > 0, lost > 1) }
        let stopAtFirst = Self.number("FIRST") != nil
        let outcome = await Self.live(seeds, options, stopAtFirst: stopAtFirst)
        for text in outcome.violations.prefix(10) { Issue.record("\(text)") }
        print("simulation: of \(count) lives so many met\n\(outcome.tally.table)")
        print(
            "simulation: seeds \(first) to \(first + count - 1), \(outcome.starts) starts, "
                + "\(outcome.violations.count) broken promises"
                + (outcome.livesToFirst.map { ", the first after \($0) lives" } ?? ""))
        guard count >= 400, !stopAtFirst else { return }
        var sheltered = outcome.tally.missing
        // Too seldom to be asked of every batch: `aThreadWaitsForALockHeldAtTheDisk` sees to it.
        sheltered.removeAll { $0 == SimulationEvent.lockAwaited.rawValue }
        if !options.lostQueues {
            sheltered.removeAll { [SimulationEvent.lostQueue, .lostQueueFile].map(\.rawValue).contains($0) }
        }
        #expect(sheltered.isEmpty)
    }

    /// One seed has one history, or a life that went wrong could not be lived again.
    @Test func aSeedHasOneHistory() {
        for seed in UInt64(1)...12 {
            let digests = (0..<2).map { _ in
                var simulation = StoreSimulation(seed: seed)
                simulation.disk.change { $0.digest = 0xCBF2_9CE4_8422_2325 }
                try? simulation.run()
                return simulation.disk.digest
            }
            #expect(digests[0] == digests[1] && digests[0] != nil, "seed \(seed)")
        }
    }

    /// Who wants a lock that another one holds while it is at the disk waits, and both come to their end.
    @Test func aThreadWaitsForALockHeldAtTheDisk() throws {
        var waits = 0
        for operations in 0..<12 {
            let disk = SimulatedDisk(seed: 1)
            let threads = SimulatedThreads(["flusher", "keeper"])
            var configuration = StoreConfiguration(root: "/disk/store")
            configuration.segmentBytes = 4096
            try CurrentTurns.$value.withValue(threads.caller) {
                let stepped = try SteppedStore(configuration, on: disk, clock: SimulatedClock())
                for index in 0..<90 {
                    _ = stepped.append([message("t", body: "m\(index)")])
                    stepped.write()
                    // What is synced may be removed; the rest is what the flusher is at.
                    if index == 60 { stepped.flush() }
                    if index == 60 { stepped.writeCheckpoint() }
                }
                threads["flusher"].begin(operations: operations) { stepped.flush() }
                threads["keeper"].begin(operations: .max) { stepped.removeBeginning(before: 4096) }
                if threads["keeper"].wanted != nil { waits += 1 }
                threads.finish(threads["keeper"])
                threads.finish(threads["flusher"])
                #expect(stepped.store.flushedLogOffset == stepped.store.maximumLogOffset)
                #expect(stepped.store.minimumLogOffset == 4096)
            }
        }
        #expect(waits > 0)
    }

    /// A check that never failed is none: a disk that lies about its syncs, at each of the places that need one.
    @Test(arguments: ["commitlog/0", "consumequeue/", "/store/commitlog"])
    func aSyncThatIsLeftOutIsFoundOut(place: String) async {
        var options = StoreSimulation.Options()
        options.errors = false
        options.bitFlips = false
        options.unreadableSectors = false
        options.lostFiles = false
        options.sabotage = { path in place == "/store/commitlog" ? path.hasSuffix(place) : path.contains(place) }
        let outcome = await Self.live(1..<400, options, stopAtFirst: true)
        #expect(!outcome.violations.isEmpty)
        print("simulation: no sync of \(place): noticed after \(outcome.livesToFirst ?? 0) lives")
    }
}
