/// Puts what is known of one value into plain words.
struct Storyteller {
    let known: Known

    /// The witness for a value that is still open in the ledger; a shorter one for any other.
    func witness(of key: ValueKey, ending: [String] = [], lines: [Int] = []) -> Witness {
        let value = known.ledger.value(of: key)
        guard let detail = known.ledger.open[key] else {
            return Witness(value: value, story: ["Message \(value)."] + ending, lines: lines)
        }
        var lines = lines + [detail.sentLine]
        var story = [sending(value, detail)]
        if let line = detail.completedLine { lines.append(line) }
        if let fault = known.run.fault(from: detail.sentAt, to: detail.completedAt ?? detail.sentAt) {
            story.append(telling(fault))
            lines += fault.edges.map(\.line)
        }
        let logs = replicas(detail)
        story += logs.story
        lines += logs.lines
        if let stored = detail.completion?.stored, detail.deliveredLine == nil {
            let reader = reading(stored)
            story.append(reader.story)
            lines += reader.lines
        }
        if let line = detail.deliveredLine { lines.append(line) }
        return Witness(value: value, story: story + ending, lines: lines)
    }

    /// `1.234 s`; the third digit is a millisecond of the run.
    static func seconds(_ nanoseconds: Int64) -> String {
        let milliseconds = nanoseconds.magnitude / 1_000_000
        let fraction = String(milliseconds % 1000)
        let padding = String(repeating: "0", count: 3 - fraction.utf8.count)
        return "\(nanoseconds < 0 ? "-" : "")\(milliseconds / 1000).\(padding)\(fraction) s"
    }

    private func sending(_ value: ValueID, _ detail: Ledger.Detail) -> String {
        var text = "Message \(value) was sent at \(Self.seconds(detail.sentAt)) (line \(detail.sentLine))"
        guard let done = detail.completion, let line = detail.completedLine, let at = detail.completedAt else {
            return text + " and never answered."
        }
        text += done.outcome == .ok ? " and acknowledged" : " and came back"
        text += " \(done.status) at \(Self.seconds(at)) (line \(line))"
        if let stored = done.stored {
            text += " as offset \(stored.queueOffset) of queue \(stored.queueID) on \(stored.broker)"
        }
        return text + "."
    }

    private func telling(_ fault: RunRecord.Fault) -> String {
        guard let from = fault.openedAt else { return "Fault \(fault.name) was armed." }
        guard let to = fault.closedAt else { return "Fault \(fault.name) was open from \(Self.seconds(from)) on." }
        return "Fault \(fault.name) was open from \(Self.seconds(from)) to \(Self.seconds(to))."
    }

    private func replicas(_ detail: Ledger.Detail) -> (story: [String], lines: [Int]) {
        var story: [String] = []
        var lines: [Int] = []
        if let replica = detail.scannedReplica, let line = detail.scannedLine {
            story.append("The log of \(replica) holds it (line \(line)).")
            lines.append(line)
        }
        for (scan, line) in known.run.scans.values.sorted(by: { $0.scan.replica < $1.scan.replica })
        where scan.replica != detail.scannedReplica {
            story.append(
                scan.complete
                    ? "The log of \(scan.replica) ends at byte \(scan.endOffset) with \(scan.records) records, "
                        + "not one of them this message (line \(line))."
                    : "The log of \(scan.replica) could not be read to its end (line \(line)): \(scan.detail).")
            lines.append(line)
        }
        return (story, lines)
    }

    private func reading(_ stored: StoredAt) -> (story: String, lines: [Int]) {
        let queue = RunRecord.QueueKey(broker: stored.broker, queueID: stored.queueID)
        guard let (drain, line) = known.run.drains[queue] else {
            return ("Nobody drained queue \(stored.queueID) of \(stored.broker).", [])
        }
        let cut = drain.complete ? "" : ", where it was cut short: \(drain.detail)"
        return (
            "The reader of queue \(stored.queueID) on \(stored.broker) got to offset \(drain.reachedOffset) of "
                + "\(drain.maxOffset) and did not see it (line \(line))\(cut).", [line]
        )
    }
}
