import Glibc
import Histogram
import MQWire

/// One run's outcome.
struct Measurement: Sendable {
    /// What was run, as the command's name and its settings.
    var name: String
    var settings: [JSONMember]
    var seconds: Double
    /// Messages, of which several may share one operation.
    var completed: Int
    var failed: Int
    var firstError: String?
    /// Of operations, in microseconds; empty when nothing was waited for.
    var latencies: Histogram<UInt64>
    var spent: ProcessMeter.Spent?

    init(name: String, settings: [JSONMember], window: Window, parts: [Part], spent: ProcessMeter.Spent?) {
        self.name = name
        self.settings = settings
        seconds = window.length / .seconds(1)
        completed = parts.reduce(0) { $0 + $1.completed }
        failed = parts.reduce(0) { $0 + $1.failed }
        firstError = parts.lazy.compactMap(\.firstError).first
        var latencies = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
        for part in parts {
            for microseconds in part.microseconds { latencies.record(UInt64(microseconds)) }
        }
        self.latencies = latencies
        self.spent = spent
    }

    /// What one task saw.
    struct Part: Sendable {
        var completed = 0
        var failed = 0
        var firstError: String?
        /// Kept as they come and sorted into the histogram at the end, so that measuring costs an append.
        var microseconds: [UInt32] = []

        mutating func complete(_ messages: Int, took: Duration?) {
            completed += messages
            guard let took else { return }
            let (seconds, attoseconds) = took.components
            microseconds.append(UInt32(clamping: seconds * 1_000_000 + attoseconds / 1_000_000_000_000))
        }

        mutating func fail(_ error: some Error) {
            failed += 1
            if firstError == nil { firstError = "\(error)" }
        }
    }

    private static let percentiles: [(name: String, value: Double)] = [
        ("p50", 50), ("p90", 90), ("p99", 99), ("p99.9", 99.9), ("max", 100),
    ]

    var json: JSONValue {
        var members = [JSONMember("run", .string(name))] + settings
        members.append(JSONMember("seconds", Self.decimal(seconds)))
        members.append(JSONMember("messages", .integer(Int64(completed))))
        members.append(JSONMember("failed", .integer(Int64(failed))))
        members.append(JSONMember("messagesPerSecond", Self.decimal(Double(completed) / seconds)))
        if latencies.totalCount > 0 {
            var values = [JSONMember("mean", Self.decimal(latencies.mean))]
            for (name, value) in Self.percentiles {
                values.append(JSONMember(name, .integer(Int64(latencies.valueAtPercentile(value)))))
            }
            members.append(JSONMember("microseconds", .object(values)))
        }
        if let spent {
            members.append(JSONMember("brokerCPUSeconds", Self.decimal(spent.cpuSeconds)))
            members.append(JSONMember("brokerCPUMicrosecondsPerMessage", Self.decimal(cpuPerMessage(spent))))
            members.append(JSONMember("brokerResidentBytes", .integer(Int64(spent.residentBytes))))
            members.append(JSONMember("brokerAnonymousBytes", .integer(Int64(spent.anonymousBytes))))
        }
        if let firstError { members.append(JSONMember("firstError", .string(firstError))) }
        return .object(members)
    }

    var text: String {
        var lines = [
            "\(name): \(Self.fixed(Double(completed) / seconds, 0)) messages/s"
                + " (\(completed) in \(Self.fixed(seconds, 1)) s, \(failed) failed)"
        ]
        if latencies.totalCount > 0 {
            let values = Self.percentiles.map { "\($0.name) \(latencies.valueAtPercentile($0.value)) µs" }
            lines.append("  latency: mean \(Self.fixed(latencies.mean, 0)) µs, " + values.joined(separator: ", "))
        }
        if let spent {
            lines.append(
                "  broker: \(Self.fixed(cpuPerMessage(spent), 1)) µs of CPU for a message, "
                    + "\(spent.residentBytes / 1_048_576) MiB resident, \(spent.anonymousBytes / 1_048_576) MiB anonymous"
            )
        }
        if let firstError { lines.append("  first error: \(firstError)") }
        return lines.joined(separator: "\n")
    }

    private func cpuPerMessage(_ spent: ProcessMeter.Spent) -> Double {
        completed > 0 ? spent.cpuSeconds * 1_000_000 / Double(completed) : 0
    }

    private static func decimal(_ value: Double) -> JSONValue { .number(value) }

    private static func fixed(_ value: Double, _ digits: Int) -> String {
        var text = [CChar](repeating: 0, count: 64)
        _ = withVaList([digits, value]) { vsnprintf(&text, text.count, "%.*f", $0) }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
