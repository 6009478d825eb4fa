public import LabHistory

/// How long sending failed in each of several rounds: the longest outage of each, in seconds.
public struct OutageFigures: Sendable, Equatable {
    /// Sorted; infinite where sending never worked again.
    public private(set) var seconds: [Double] = []

    public init() {}

    /// Takes a round's; one in which nothing failed counts as 0.
    public mutating func take(_ verdict: Verdict) {
        guard let longest = Self.longest(verdict) else { return }
        let place = seconds.firstIndex { $0 > longest } ?? seconds.endIndex
        seconds.insert(longest, at: place)
    }

    /// The longest outage of a run; nil where no fault was in it.
    public static func longest(_ verdict: Verdict) -> Double? {
        verdict.outages.map { $0.nanoseconds.map { Double($0) / 1e9 } ?? .infinity }.max()
    }

    /// The value that so many in a hundred rounds do not pass, by the nearest rank; nil without a round.
    public func seconds(percentile: Int) -> Double? {
        precondition((1...100).contains(percentile), "percentile \(percentile)")
        guard !seconds.isEmpty else { return nil }
        return seconds[max(1, (seconds.count * percentile + 99) / 100) - 1]
    }

    /// With three digits behind the point, without a formatter.
    public static func text(_ seconds: Double) -> String {
        guard seconds.isFinite else { return "no end" }
        let thousandths = Int64((seconds * 1000).rounded())
        let rest = String(thousandths % 1000)
        return "\(thousandths / 1000).\(String(repeating: "0", count: 3 - rest.count))\(rest)"
    }
}
