import FoundationEssentials

/// Names a run: `20261122T224315Z-01-first-message-4711`; sorts by time, and says which lab and which process.
public enum RunID {
    public static func make(atMilliseconds: Int64, lab: String, pid: Int32) -> String {
        let date = Date(timeIntervalSince1970: Double(atMilliseconds) / 1000)
        let stamp = date.formatted(
            Date.ISO8601FormatStyle(dateSeparator: .omitted, timeSeparator: .omitted, timeZone: .gmt))
        return "\(stamp)-\(lab)-\(pid)"
    }
}
