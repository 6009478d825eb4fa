import ArgumentParser
import MQStore
import MQWire
import SystemPackage

/// `mqadmin scrubStore`: looks through a store for damage and names it.
struct ScrubStore: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scrubStore",
        abstract: "Looks through a store for damage in log, queues and index, offline or beside a running broker.",
        discussion: """
            Nothing is written to the store. The status is 1 when anything is damaged, and 2 when the store cannot be \
            read. What an earlier recovery found lost is listed, and is no damage.

            Damaged entries of queues or of the index: stop the broker, move that file (below consumequeue/TOPIC/QUEUE or \
            index) away and start it again; it is made anew from the log. Keep it, though: where a record and its entry say \
            different things, the record may be what went bad. A record's sum is RocketMQ's and covers its body alone: of \
            what stands before the body only that is looked at which queues and index say, too.
            """)

    @Option(help: "The broker's storePathRootDir.")
    var store: String

    @Option(help: "The broker's maxHashSlotNum, where it is not a fourth of its maxIndexNum.")
    var indexSlots: Int?

    @Flag(help: "One JSON object a line.")
    var json = false

    func run() throws {
        let summary: StoreScrubber.Summary
        var output = LineOutput()
        do {
            summary = try StoreScrubber(root: FilePath(store), indexSlots: indexSlots).scrub { finding in
                output.write(json ? FindingLine.json(finding).text : FindingLine.text(finding))
            }
        } catch let error as StoreError {
            output.flush()
            throw StoreTrouble.end(error)
        }
        output.write(json ? FindingLine.json(summary).text : FindingLine.text(summary))
        output.flush()
        if summary.findings > 0 { throw ExitCode.failure }
    }
}

/// How a finding and the summary are written.
enum FindingLine {
    static func text(_ finding: StoreScrubber.Finding) -> String {
        switch finding {
        case .unreadable(let file, let bytes):
            "\(file)  UNREADABLE from byte \(bytes.lowerBound) to \(bytes.upperBound): the disk has an error there"
        case .damagedRecord(let offset, let topic, let queue, let place):
            "\(offset)  \(topic)/\(queue)@\(place)  DAMAGED record"
        case .damagedPlace(let range):
            "\(range.lowerBound)  DAMAGED up to \(range.upperBound): no record can be read"
        case .missingSegments(let range): "\(range.lowerBound)  MISSING up to \(range.upperBound): no segments"
        case .tornTail(let offset, let reason): "\(offset)  torn tail: \(reason)"
        case .missingEnd(let offset, let time):
            "\(offset)  MISSING end: a message stored at \(Moment.text(time)) was synced, and none so late is there"
        case .damagedEntry(let topic, let queue, let place, let offset):
            "\(topic)/\(queue)@\(place)  DAMAGED queue entry: it leads to \(offset), and not to its record"
        case .missingEntries(let topic, let queue, let places, let offset):
            "\(offset)  \(topic)/\(queue)@\(text(places))  MISSING queue entries: the records are there"
        case .entriesBehindEnd(let topic, let queue, let places):
            "\(topic)/\(queue)@\(text(places))  MISSING records: the entries lead behind the log's end"
        case .missingBeginning(let topic, let queue, let places, let offset):
            "\(offset)  \(topic)/\(queue)@\(text(places))  MISSING segments before: nothing too old leaves such entries"
        case .missingQueueEnd(let topic, let queue, let places):
            "\(topic)/\(queue)@\(text(places))  MISSING end of the queue: it is known to have had these"
        case .damagedIndexHeader(let file, let reason): "index/\(file)  DAMAGED header: \(reason)"
        case .damagedIndexEntries(let file, let entries, let offset):
            "index/\(file)#\(text(entries))  DAMAGED index entry: no such key at \(offset), or its chain is broken"
        case .damagedIndexSlots(let file, let slots):
            "index/\(file)  DAMAGED slot \(text(slots)): it does not name its newest entry"
        case .lostMessages(let topic, let queue, let places):
            "\(topic)/\(queue)@\(text(places))  lost in an earlier recovery"
        }
    }

    private static func text(_ places: Range<Int64>) -> String {
        places.count == 1 ? "\(places.lowerBound)" : "\(places.lowerBound) to \(places.upperBound - 1)"
    }

    static func text(_ summary: StoreScrubber.Summary) -> String {
        "\(summary.records) records up to \(summary.logEnd), \(summary.entries) queue entries, "
            + "\(summary.indexEntries) index entries: "
            + (summary.findings == 0 ? "sound" : "\(summary.findings) damaged")
            + (summary.lostMessages == 0 ? "" : "; \(summary.lostMessages) messages lost in earlier recoveries")
            + (summary.unreadIndexFiles == 0
                ? ""
                : "; \(summary.unreadIndexFiles) index files not looked into (--index-slots says how they are made)")
    }

    static func json(_ finding: StoreScrubber.Finding) -> JSONValue {
        switch finding {
        case .unreadable(let file, let bytes):
            [
                "damaged": "sector", "file": .string(file), "first": .integer(bytes.lowerBound),
                "count": .integer(Int64(bytes.count)),
            ]
        case .damagedRecord(let offset, let topic, let queue, let place):
            message("record", topic, queue, place, offset)
        case .damagedPlace(let range):
            ["damaged": "place", "logOffset": .integer(range.lowerBound), "end": .integer(range.upperBound)]
        case .missingSegments(let range):
            ["damaged": "segments", "logOffset": .integer(range.lowerBound), "end": .integer(range.upperBound)]
        case .missingEnd(let offset, let time):
            ["damaged": "end", "logOffset": .integer(offset), "syncedTimestamp": .integer(time)]
        case .missingEntries(let topic, let queue, let places, let offset):
            message("entries", topic, queue, places, offset)
        case .entriesBehindEnd(let topic, let queue, let places): message("records", topic, queue, places, nil)
        case .tornTail(let offset, let reason):
            ["damaged": "tail", "logOffset": .integer(offset), "reason": .string(reason)]
        case .damagedEntry(let topic, let queue, let place, let offset):
            message("entry", topic, queue, place, offset)
        case .missingBeginning(let topic, let queue, let places, let offset):
            message("beginning", topic, queue, places, offset)
        case .missingQueueEnd(let topic, let queue, let places): message("queueEnd", topic, queue, places, nil)
        case .damagedIndexHeader(let file, let reason):
            ["damaged": "indexHeader", "file": .string(file), "reason": .string(reason)]
        case .damagedIndexEntries(let file, let entries, let offset):
            [
                "damaged": "indexEntries", "file": .string(file), "first": .integer(entries.lowerBound),
                "count": .integer(Int64(entries.count)), "logOffset": .integer(offset),
            ]
        case .damagedIndexSlots(let file, let slots):
            [
                "damaged": "indexSlots", "file": .string(file), "first": .integer(slots.lowerBound),
                "count": .integer(Int64(slots.count)),
            ]
        case .lostMessages(let topic, let queue, let places): message("lost", topic, queue, places, nil)
        }
    }

    static func json(_ summary: StoreScrubber.Summary) -> JSONValue {
        [
            "end": [
                "logOffset": .integer(summary.logEnd), "records": .integer(Int64(summary.records)),
                "entries": .integer(Int64(summary.entries)),
                "indexEntries": .integer(Int64(summary.indexEntries)),
                "unreadIndexFiles": .integer(Int64(summary.unreadIndexFiles)),
                "damaged": .integer(Int64(summary.findings)), "lost": .integer(Int64(summary.lostMessages)),
            ]
        ]
    }

    private static func message(
        _ kind: String, _ topic: String, _ queue: Int32, _ places: Range<Int64>, _ logOffset: Int64?
    ) -> JSONValue {
        [
            "damaged": .string(kind), "topic": .string(topic), "queueId": .integer(Int64(queue)),
            "queueOffset": .integer(places.lowerBound), "count": .integer(Int64(places.count)),
            "logOffset": logOffset.map { .integer($0) } ?? .null,
        ]
    }

    private static func message(
        _ kind: String, _ topic: String, _ queue: Int32, _ place: Int64, _ logOffset: Int64?
    ) -> JSONValue {
        [
            "damaged": .string(kind), "topic": .string(topic), "queueId": .integer(Int64(queue)),
            "queueOffset": .integer(place), "logOffset": logOffset.map { .integer($0) } ?? .null,
        ]
    }
}
