import Dispatch
import Glibc
import GroupSimulation
import MQReplication
import Synchronization

/// Plays lives of a replica set, as ``Arguments/usage`` says; what is mistyped plays nothing.
///
/// Ends with 0 when every promise was kept, with 1 when one was broken, and with 64 for wrong words.
struct Arguments {
    static let usage =
        "usage: group-sim [--policy etcd|heartbeat|none] [--from 1] [--count 10000] [--threads 2] [--first] [--trace]"

    var policy = ReplicaSetMachine.Policy.etcd
    var first: UInt64 = 1
    var count: UInt64 = 10_000
    var threads = 2
    var traces = false
    /// Whether the first broken promise is enough, as it was found.
    var stopsAtFirst = false

    init(_ words: [String]) {
        var words = words[...]
        while let word = words.popFirst() {
            switch word {
            case "--policy": policy = Self.value(of: word, in: &words) { .init(rawValue: $0) }
            case "--from": first = Self.value(of: word, in: &words) { UInt64($0) }
            case "--count": count = Self.value(of: word, in: &words) { UInt64($0).flatMap { $0 > 0 ? $0 : nil } }
            case "--threads": threads = Self.value(of: word, in: &words) { Int($0).flatMap { $0 > 0 ? $0 : nil } }
            case "--first": stopsAtFirst = true
            case "--trace": traces = true
            default: Self.refuse("unknown word '\(word)'")
            }
        }
    }

    private static func value<Value>(
        of name: String, in words: inout ArraySlice<String>, _ read: (String) -> Value?
    ) -> Value {
        guard let word = words.popFirst() else { refuse("\(name) needs a value") }
        guard let value = read(word) else { refuse("\(name) '\(word)' is not accepted") }
        return value
    }

    private static func refuse(_ why: String) -> Never {
        let line = "group-sim: \(why); \(usage)\n"
        _ = line.withCString { Glibc.write(2, $0, strlen($0)) }
        exit(64)
    }
}

struct Totals {
    var lives = 0
    var acknowledged = 0
    var reigns = 0
    var setAside = 0
    var excused = 0
    var failed: [(seed: UInt64, violation: Violation)] = []
    /// What the policy does not promise, and did not keep.
    var lapses: [(seed: UInt64, violation: Violation)] = []
}

let arguments = Arguments(Array(CommandLine.arguments.dropFirst()))
let totals = Mutex(Totals())
let next = Atomic<UInt64>(arguments.first)
/// As many broken lives as are worth reading.
let patience = arguments.stopsAtFirst ? 1 : 5

DispatchQueue.concurrentPerform(iterations: arguments.threads) { _ in
    while true {
        let seed = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard seed < arguments.first + arguments.count, totals.withLock({ $0.failed.count }) < patience else { return }
        let world = GroupWorld(Schedule(seed: seed, policy: arguments.policy), traces: arguments.traces)
        var violation: Violation?
        do throws(Violation) { try world.run() } catch { violation = error }
        totals.withLock { totals in
            totals.lives += 1
            totals.acknowledged += world.acknowledgedCount
            totals.reigns += world.reigns
            totals.setAside += world.setAside
            totals.excused += world.excused
            if let lapse = world.lapse { totals.lapses.append((seed, lapse)) }
            if let violation { totals.failed.append((seed, violation)) }
            if totals.lives % 100_000 == 0 { print("\(totals.lives) lives") }
        }
    }
}

let result = totals.withLock { $0 }
print(
    "\(arguments.policy.rawValue): \(result.lives) lives, \(result.reigns) reigns, \(result.acknowledged) acknowledged, "
        + "\(result.setAside) set aside, \(result.excused) excused, \(result.failed.count) broken, "
        + "\(result.lapses.count) with what is not promised")
if arguments.stopsAtFirst, let (seed, violation) = result.failed.first {
    print("seed \(seed), after \(result.lives) lives: \(violation)")
    exit(1)
}
func show(_ seed: UInt64, _ violation: Violation) {
    let schedule = Shrinker.shrink(Schedule(seed: seed, policy: arguments.policy), violation.promise)
    print("\(violation)\n\(schedule)")
    if let last = Shrinker.violation(of: schedule) { print("  → \(last)") }
}
for (seed, violation) in result.failed { show(seed, violation) }
// The lesson of `heartbeat`: the first life in which two masters served, made as short as it goes.
if let lesson = result.lapses.filter({ $0.violation.promise == .oneMaster }).min(by: { $0.seed < $1.seed }) {
    show(lesson.seed, lesson.violation)
} else if arguments.policy == .heartbeat {
    print("two masters at once were never seen: the simulation is blind")
    exit(1)
}
exit(result.failed.isEmpty ? 0 : 1)
