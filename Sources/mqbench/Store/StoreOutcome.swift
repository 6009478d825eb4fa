import Glibc
import MQWire

/// One figure of the store, of several rounds, with what it is held against.
struct StoreOutcome: Sendable {
    var name: String
    var unit: String
    /// One value for each round.
    var ours: [Double]
    /// The limit's values, in the same rounds; empty when there is none.
    var limit: [Double] = []
    /// What the limit is.
    var against = ""
    /// What else there is to say.
    var note = ""

    static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return 0 }
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    /// The median of the rounds' ratios; `nil` without a limit.
    var ratio: Double? { limit.isEmpty ? nil : Self.median(zip(ours, limit).map { $0 / $1 }) }

    var json: JSONValue {
        var members = [
            JSONMember("run", .string(name)), JSONMember("unit", .string(unit)),
            JSONMember("median", .number(Self.median(ours))), JSONMember("rounds", .array(ours.map { .number($0) })),
        ]
        if let ratio {
            members.append(JSONMember("against", .string(against)))
            members.append(JSONMember("limit", .number(Self.median(limit))))
            members.append(JSONMember("ratio", .number(ratio)))
        }
        if !note.isEmpty { members.append(JSONMember("note", .string(note))) }
        return .object(members)
    }

    var text: String {
        var line = "\(name): \(Self.short(Self.median(ours))) \(unit)"
        if ours.count > 1 { line += " (\(Self.short(ours.min() ?? 0)) to \(Self.short(ours.max() ?? 0)))" }
        if let ratio {
            line += ", \(Self.short(ratio * 100)) % of \(against) with \(Self.short(Self.median(limit)))"
        }
        return note.isEmpty ? line : "\(line); \(note)"
    }

    /// Three digits that count, and no fraction of a thousand.
    private static func short(_ value: Double) -> String {
        if value >= 100 { return String(Int(value.rounded())) }
        let scale: Double = value >= 10 ? 10 : 100
        return "\((value * scale).rounded() / scale)"
    }
}
