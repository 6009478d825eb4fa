/// The history file: one JSON object a line, in the order in which things became known.
///
/// The schema is `docs/history-format.md`. A reader needs the fields that are named there and ignores any other, so
/// that a later writer may add some; a changed meaning raises `version`. 64-bit hashes and the seed are written as
/// strings, because many JSON readers keep only 53 bits of a number.
public enum HistoryFormat {
    /// The version that this code writes.
    public static let version = 3
    /// The versions that it reads. Version 1 does not say what was planned, so that its best verdict is *inconclusive*;
    /// version 2 not how many lines there are, nor whether losses are permitted.
    public static let readableVersions = 1...3
    /// A longer line is refused; the longest that a trial writes is about 1 KiB.
    public static let maximumLineBytes = 64 * 1024

    /// The event as one line, with its line feed.
    public static func encode(_ event: HistoryEvent) -> [UInt8] {
        let (name, cells) = fields(of: event.body)
        return LineWriter.line(at: event.atNanoseconds, name, cells)
    }

    private static func fields(of body: HistoryEvent.Body) -> (String, KeyValuePairs<String, LineWriter.Cell>) {
        switch body {
        case .run(let run):
            (
                "run",
                [
                    "format": .count(run.formatVersion), "run": .text(run.runID), "seed": .text(String(run.seed)),
                    "started_ms": .number(run.startedAtMilliseconds), "topic": .text(run.topic),
                    "planned_faults": .maybeCount(run.plan?.faults), "planned_scans": .maybeCount(run.plan?.scans),
                    "loss_allowed": .maybeFlag(run.lossAllowed), "tail_ns": .maybeNumber(run.tailNanoseconds),
                ]
            )
        case .planned(.fault(let fault)):
            ("planned-fault", ["id": .text(fault.id), "kind": .text(fault.kind), "target": .text(fault.target)])
        case .planned(.scan(let scan)):
            ("planned-scan", ["replica": .text(scan.replica), "broker": .text(scan.broker)])
        case .phase(let name): ("phase", ["name": .text(name)])
        case .invoke(let send):
            (
                "invoke",
                [
                    "op": .count(send.operation), "value": .text(send.value.description), "topic": .text(send.topic),
                    "hash": .hash(send.bodyHash), "bytes": .count(send.bodyBytes),
                ]
            )
        case .complete(let done): ("complete", fields(of: done))
        case .deliver(let delivery):
            (
                "deliver",
                [
                    "consumer": .count(delivery.consumer), "assignment": .count(delivery.assignment),
                    "broker": .text(delivery.broker), "queue": .count(delivery.queueID),
                    "offset": .number(delivery.queueOffset), "hash": .hash(delivery.bodyHash),
                    "value": .maybe(delivery.value?.description), "run": .maybe(delivery.runID),
                    "drain": .ifTrue(delivery.isDrain),
                ]
            )
        case .unreadable(let answer):
            (
                "unreadable",
                [
                    "consumer": .count(answer.consumer), "broker": .text(answer.broker),
                    "queue": .count(answer.queueID), "offset": .number(answer.queueOffset),
                    "detail": .text(answer.detail),
                ]
            )
        case .fault(let fault):
            (
                "fault",
                [
                    "uid": .text(fault.uid), "kind": .text(fault.kind), "target": .text(fault.target),
                    "edge": .text(fault.edge.rawValue), "detail": .text(fault.detail),
                    "plan": .maybe(fault.planID), "error_ns": .maybeNumber(fault.errorNanoseconds),
                ]
            )
        case .drained(let drain):
            (
                "drained",
                [
                    "broker": .text(drain.broker), "queue": .count(drain.queueID), "first": .number(drain.firstOffset),
                    "reached": .number(drain.reachedOffset), "max": .number(drain.maxOffset),
                    "messages": .maybeCount(drain.messages), "complete": .flag(drain.complete),
                    "detail": .text(drain.detail),
                ]
            )
        case .scanned(let record):
            (
                "scanned",
                [
                    "replica": .text(record.replica), "queue": .count(record.queueID),
                    "offset": .number(record.queueOffset), "log": .number(record.logOffset),
                    "checksum": .flag(record.checksumAgrees), "value": .maybe(record.value?.description),
                    "run": .maybe(record.runID),
                ]
            )
        case .scanEnded(let scan):
            (
                "scan-ended",
                [
                    "replica": .text(scan.replica), "records": .count(scan.records), "end": .number(scan.endOffset),
                    "complete": .flag(scan.complete), "detail": .text(scan.detail),
                ]
            )
        case .end(let end):
            (
                "end",
                [
                    "completed": .flag(end.completed), "detail": .text(end.detail), "lines": .maybeCount(end.lines),
                    "interrupted": .ifTrue(end.isInterrupted),
                ]
            )
        }
    }

    private static func fields(of done: SendCompletion) -> KeyValuePairs<String, LineWriter.Cell> {
        guard let stored = done.stored else {
            return [
                "op": .count(done.operation), "outcome": .text(done.outcome.rawValue), "status": .text(done.status),
                "detail": .maybe(done.detail),
            ]
        }
        return [
            "op": .count(done.operation), "outcome": .text(done.outcome.rawValue), "status": .text(done.status),
            "broker": .text(stored.broker), "queue": .count(stored.queueID), "offset": .number(stored.queueOffset),
            "unique_id": .text(stored.uniqueID), "offset_id": .text(stored.offsetID), "detail": .maybe(done.detail),
        ]
    }

    /// Reads one line, with or without its line feed.
    ///
    /// - Parameter number: the line's place in the file from 1, for the error.
    /// - Throws: `HistoryError` for anything but a JSON object with the event's required fields.
    public static func decode(line: some Collection<UInt8>, number: Int) throws(HistoryError) -> HistoryEvent {
        guard line.count <= maximumLineBytes else {
            throw HistoryError(
                .lineTooLong, line: number, "it has \(line.count) bytes, more than the limit of \(maximumLineBytes)")
        }
        var bytes = Array(line)
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        do {
            return try LineFields(JSONLine(bytes), number: number).event()
        } catch let error as HistoryError {
            throw error
        } catch let error as JSONLine.Malformed {
            throw HistoryError(.notJSON, line: number, "no JSON object (at column \(error.column + 1))")
        } catch {
            throw HistoryError(.notJSON, line: number, "no JSON object")
        }
    }
}
