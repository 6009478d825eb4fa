import LabHistory
import LabTrials

/// What the rounds of one plan came to.
struct RoundTable: Encodable {
    struct Row: Encodable, CustomStringConvertible {
        var round: Int
        var seed: UInt64
        var verdict: String
        var ok: Int
        var delivered: Int
        var lost: Int
        /// How long sending failed because of a fault, at most; absent where it did not end, or no fault was there.
        var outageSeconds: Double?
        var seconds: Double
        var run: String
        /// Why it is no pass; nil where it is one.
        var why: String?
        private var outage: String

        enum CodingKeys: String, CodingKey {
            case round, seed, verdict, ok, delivered, lost, seconds, run, why
            case outageSeconds = "outage_seconds"
        }

        init(_ round: Int, _ run: JudgedRun, seconds: Duration) {
            self.round = round
            seed = run.manifest.seed
            verdict = run.verdict.status.rawValue
            ok = run.verdict.counts.ok
            delivered = run.verdict.counts.deliveredValues
            lost = run.verdict.counts.lost
            let longest = OutageFigures.longest(run.verdict)
            outageSeconds = longest.flatMap { $0.isFinite ? ($0 * 1000).rounded() / 1000 : nil }
            outage = longest.map { OutageFigures.text($0) } ?? "-"
            self.seconds = (seconds / .milliseconds(100)).rounded() / 10
            self.run = run.manifest.runID
            why = run.verdict.status == .pass ? nil : run.verdict.headline
        }

        /// A round that the lab could not bring to its end.
        init(_ round: Int, seed: UInt64, broken: any Error, run: String?, seconds: Duration) {
            self.round = round
            self.seed = seed
            verdict = VerdictStatus.error.rawValue
            (ok, delivered, lost) = (0, 0, 0)
            outage = "-"
            self.seconds = (seconds / .milliseconds(100)).rounded() / 10
            self.run = run ?? ""
            why = "the round broke off: \(broken)"
        }

        var description: String {
            let cells = ["\(round)", "\(seed)", verdict, "\(ok)", "\(delivered)", "\(lost)", outage, "\(seconds)"]
            return RoundTable.line(cells) + (why.map { run.isEmpty ? "  \($0)" : "  \($0); \(run)" } ?? "")
        }
    }

    struct Summary: Encodable {
        var pass = 0
        var fail = 0
        var inconclusive = 0
        var error = 0
        var ok = 0
        var lost = 0
        /// Rounds that lost something, and the most that one of them lost.
        var roundsWithLoss = 0
        var mostLost = 0
        var seconds = 0.0
        /// The rounds' longest outages: the median, p99 and the longest; absent where one did not end.
        var outageMedian: Double?
        var outageP99: Double?
        var outageLongest: Double?

        enum CodingKeys: String, CodingKey {
            case pass, fail, inconclusive, error, ok, lost, seconds
            case roundsWithLoss = "rounds_with_loss"
            case mostLost = "most_lost"
            case outageMedian = "outage_p50_seconds"
            case outageP99 = "outage_p99_seconds"
            case outageLongest = "outage_longest_seconds"
        }
    }

    var plan: String
    var firstSeed: UInt64
    /// How many rounds were asked for.
    var wanted: Int
    var judge: RoundsJudge
    var rows: [Row] = []

    enum CodingKeys: String, CodingKey {
        case plan, wanted, rounds, summary, status
        case firstSeed = "first_seed"
        case notShown = "not_shown"
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(plan, forKey: .plan)
        try container.encode(firstSeed, forKey: .firstSeed)
        try container.encode(wanted, forKey: .wanted)
        try container.encode(judge.status.rawValue, forKey: .status)
        try container.encode(judge.missing.map(\.rawValue), forKey: .notShown)
        try container.encode(rows, forKey: .rounds)
        try container.encode(total, forKey: .summary)
    }

    var total: Summary {
        var total = Summary()
        func outage(_ percentile: Int) -> Double? {
            judge.outages.seconds(percentile: percentile).flatMap { $0.isFinite ? ($0 * 1000).rounded() / 1000 : nil }
        }
        (total.outageMedian, total.outageP99, total.outageLongest) = (outage(50), outage(99), outage(100))
        return rows.reduce(into: total) { total, row in
            switch VerdictStatus(rawValue: row.verdict) {
            case .pass: total.pass += 1
            case .fail: total.fail += 1
            case .inconclusive: total.inconclusive += 1
            case .error, nil: total.error += 1
            }
            total.ok += row.ok
            total.lost += row.lost
            total.roundsWithLoss += row.lost > 0 ? 1 : 0
            total.mostLost = max(total.mostLost, row.lost)
            total.seconds = ((total.seconds + row.seconds) * 10).rounded() / 10
        }
    }

    var summary: String {
        let total = total
        let others = [("fail", total.fail), ("inconclusive", total.inconclusive), ("error", total.error)]
            .filter { $0.1 > 0 }.map { ", \($0.1) \($0.0)" }.joined()
        let loss =
            total.lost == 0
            ? "none lost" : "\(total.lost) lost in \(Self.rounds(total.roundsWithLoss)), \(total.mostLost) at most"
        let count = rows.count == wanted ? Self.rounds(wanted) : "\(rows.count) of \(Self.rounds(wanted))"
        let outages = judge.outages
        let outage = outages.seconds.contains { $0 > 0 } ? "; outage \(Self.outage(outages))" : ""
        let complaint = judge.complaint.map { "\n\(judge.status.rawValue): \($0)" } ?? ""
        return
            "\(plan): \(count) from seed \(firstSeed): \(total.pass) pass\(others); \(total.ok) acknowledged, \(loss)\(outage); \(total.seconds) s\(complaint)"
    }

    private static func rounds(_ count: Int) -> String { count == 1 ? "1 round" : "\(count) rounds" }

    private static func outage(_ figures: OutageFigures) -> String {
        func text(_ percentile: Int) -> String { OutageFigures.text(figures.seconds(percentile: percentile) ?? 0) }
        guard figures.seconds.count > 1 else { return "\(text(100)) s" }
        return "\(text(50)) s at the median, \(text(99)) s at p99, \(text(100)) s at most"
    }

    static let header = line(["ROUND", "SEED", "VERDICT", "OK", "DELIVERED", "LOST", "OUTAGE", "SECONDS"])

    /// Columns of fixed width, since a line is printed before the next one is known.
    private static func line(_ cells: [String]) -> String {
        let widths = [5, 8, 12, 8, 9, 6, 7, 7]
        return zip(cells, widths).map { $0 + String(repeating: " ", count: max(0, $1 - $0.count)) }
            .joined(separator: "  ")
    }
}
