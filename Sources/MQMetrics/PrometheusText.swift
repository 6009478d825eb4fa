/// Prometheus' text format 0.0.4. Pure.
///
/// A family is one name: a line with its type, and then its series, sorted, so that two readings differ only where
/// values do. Histograms give their counts added up, durations in seconds.
enum PrometheusText {
    /// The content type of what ``write(_:)`` gives.
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    static func write(_ series: [MetricsRegistry.Identity: MetricsRegistry.Series]) -> String {
        var text = ""
        var family: String?
        for (identity, value) in series.sorted(by: { ($0.key.label, labels($0.key)) < ($1.key.label, labels($1.key)) })
        {
            let name = metricName(identity.label)
            if family != name {
                text += "# TYPE \(name) \(type(of: value))\n"
                family = name
            }
            switch value {
            case .counter(let counter): text += "\(name)\(braced(labels(identity))) \(counter.value)\n"
            case .gauge(let gauge): text += "\(name)\(braced(labels(identity))) \(number(gauge.value))\n"
            case .histogram(let histogram): write(histogram, name: name, labels: labels(identity), to: &text)
            }
        }
        return text
    }

    private static func write(_ histogram: HistogramSeries, name: String, labels: String, to text: inout String) {
        let (counts, sum) = histogram.snapshot
        var below: Int64 = 0
        for (index, count) in counts.enumerated() {
            below += count
            let limit = index < HistogramSeries.limits.count ? seconds(HistogramSeries.limits[index]) : "+Inf"
            let all = labels.isEmpty ? "le=\"\(limit)\"" : "\(labels),le=\"\(limit)\""
            text += "\(name)_bucket{\(all)} \(below)\n"
        }
        text += "\(name)_sum\(braced(labels)) \(seconds(sum))\n\(name)_count\(braced(labels)) \(below)\n"
    }

    private static func type(of value: MetricsRegistry.Series) -> String {
        switch value {
        case .counter: "counter"
        case .gauge: "gauge"
        case .histogram: "histogram"
        }
    }

    private static func seconds(_ nanoseconds: Int64) -> String { number(Double(nanoseconds) / 1e9) }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : "\(value)"
    }

    /// Letters, digits, `_` and `:`, not a digit first; everything else becomes `_`.
    static func metricName(_ label: String) -> String {
        var name = String(
            label.unicodeScalars.map { isAllowed($0) ? Character($0) : "_" })
        if let first = name.first, first.isNumber { name = "_" + name }
        return name
    }

    private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isASCII
            && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || scalar == "_" || scalar == ":")
    }

    private static func labels(_ identity: MetricsRegistry.Identity) -> String {
        identity.dimensions.map { "\(metricName($0.name))=\"\(escaped($0.value))\"" }.joined(separator: ",")
    }

    private static func braced(_ labels: String) -> String { labels.isEmpty ? "" : "{\(labels)}" }

    private static func escaped(_ value: String) -> String {
        var text = ""
        for character in value {
            switch character {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.append(character)
            }
        }
        return text
    }
}
