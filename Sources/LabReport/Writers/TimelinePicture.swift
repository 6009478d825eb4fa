import LabHistory

/// A run's time line as a few rows of text, at most `columns` wide.
///
///     baseline       fault     recovery
///     |##############xxxxxxxxx+##############|
///     |              =========               | crash
///     0.000 s                          4.000 s
struct TimelinePicture {
    static let columns = 64
    /// More faults than this are not drawn.
    static let maximumFaults = 8

    let lines: [String]

    init(_ timeline: Timeline) {
        guard !timeline.windows.isEmpty else {
            lines = []
            return
        }
        let perColumn = (timeline.windows.count + Self.columns - 1) / Self.columns
        let width = (timeline.windows.count + perColumn - 1) / perColumn
        let nanosecondsPerColumn = timeline.widthNanoseconds * Int64(perColumn)
        func column(_ nanoseconds: Int64) -> Int {
            min(width - 1, max(0, Int(nanoseconds / nanosecondsPerColumn)))
        }
        var rows = [Self.names(timeline.phases.map { (column($0.atNanoseconds), $0.name) })]
        let cells = (0..<width).map { index in
            Self.cell(timeline.windows[index * perColumn..<min(timeline.windows.count, (index + 1) * perColumn)])
        }
        rows.append(" |" + cells.joined() + "|")
        for fault in timeline.faults.prefix(Self.maximumFaults) {
            let from = column(fault.fromNanoseconds)
            let to = column(fault.toNanoseconds ?? .max)
            let bar = String(repeating: " ", count: from) + String(repeating: "=", count: max(1, to - from + 1))
            rows.append(" |" + bar + String(repeating: " ", count: max(0, width - bar.utf8.count)) + "| \(fault.name)")
        }
        let end = Decimal.thousandths(nanosecondsPerColumn * Int64(width) / 1_000_000) + " s"
        let start = "0.000 s"
        rows.append(
            "  " + start + String(repeating: " ", count: max(1, width - start.utf8.count - end.utf8.count)) + end)
        rows.append("  # acknowledged   + some   x none   . nothing sent   = fault open")
        lines = rows
    }

    private static func cell(_ windows: ArraySlice<Timeline.Window>) -> String {
        let ok = windows.reduce(0) { $0 + $1.ok }
        let notOK = windows.reduce(0) { $0 + $1.notOK }
        let attempts = windows.reduce(0) { $0 + $1.attempts }
        if ok > 0 { return notOK > 0 ? "+" : "#" }
        return notOK > 0 || attempts > 0 ? "x" : "."
    }

    /// The phases' names over their first columns; one that has no room is pushed to the right.
    private static func names(_ phases: [(column: Int, name: String)]) -> String {
        var row = "  "
        for phase in phases {
            let wanted = phase.column + 2
            if row.count > 2, row.count >= wanted { row += " " }
            row += String(repeating: " ", count: max(0, wanted - row.count)) + phase.name
        }
        return row
    }
}
