import Foundation
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
/// `make sim SEED=… COUNT=… TRACE=1`.
@Suite struct SimulationTests {
    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    /// Lives the lives of these seeds, on as many threads as there are cores; gives what went wrong, and the starts.
    static func violations(
        _ seeds: Range<UInt64>, _ options: StoreSimulation.Options = .init(), stopAtFirst: Bool = false
    ) async -> (texts: [String], starts: Int) {
        await withTaskGroup(of: (texts: [String], starts: Int).self) { group in
            let workers = UInt64(max(1, ProcessInfo.processInfo.activeProcessorCount))
            for worker in 0..<workers {
                group.addTask {
                    await onThread {
                        var texts: [String] = []
                        var starts = 0
                        for seed in seeds where seed % workers == worker {
                            var simulation = StoreSimulation(seed: seed, options: options)
                            do { try simulation.run() } catch {
                                texts.append("\(error) [make sim SEED=\(seed) COUNT=1]")
                            }
                            starts += simulation.starts
                            if stopAtFirst && !texts.isEmpty { break }
                        }
                        return (texts, starts)
                    }
                }
            }
            return await group.reduce(into: (texts: [], starts: 0)) { sum, part in
                sum.texts += part.texts
                sum.starts += part.starts
            }
        }
    }

    @Test func everyPromiseIsKeptInEveryLife() async {
        let first = Self.number("SEED") ?? 1
        let count = Self.number("COUNT") ?? 500
        var options = StoreSimulation.Options()
        options.isTraced = Self.number("TRACE") != nil
        let outcome = await Self.violations(first..<first + count, options)
        for text in outcome.texts.prefix(10) { Issue.record("\(text)") }
        print(
            "simulation: seeds \(first) to \(first + count - 1), \(outcome.starts) starts, "
                + "\(outcome.texts.count) broken promises")
    }

    /// A check that never failed is none: a disk that lies about its syncs, at each of the places that need one.
    @Test(arguments: ["commitlog/0", "consumequeue/", "/store/commitlog"])
    func aSyncThatIsLeftOutIsFoundOut(place: String) async {
        var options = StoreSimulation.Options()
        options.writeErrors = false
        options.bitFlips = false
        options.sabotage = { path in place == "/store/commitlog" ? path.hasSuffix(place) : path.contains(place) }
        let outcome = await Self.violations(1..<400, options, stopAtFirst: true)
        #expect(!outcome.texts.isEmpty)
    }
}
