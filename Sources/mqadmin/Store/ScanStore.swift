import ArgumentParser
import Glibc
import MQStore
import MQTransport
import MQWire
import NIOCore
import SystemPackage

/// `mqadmin scanStore`: every record of a store's commit log, from its files alone.
struct ScanStore: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scanStore",
        abstract: "Lists every record of a store's commit log, offline or beside a running broker.",
        discussion: """
            Nothing is written to the store. With --json, one line for each record and a last line with the end. The \
            status is 2 when the store cannot be read.
            """)

    @Option(help: "The broker's storePathRootDir.")
    var store: String

    @Option(help: "Only records of this topic.")
    var topic: String?

    @Flag(help: "One JSON object a line.")
    var json = false

    func run() throws {
        var output = LineOutput()
        do {
            var listed = 0
            let end = try StoreScanner(root: FilePath(store)).scan { found in
                if let topic, found.record.topic != topic { return }
                listed += 1
                output.write(json ? RecordLine.json(found).text : RecordLine.text(found))
            }
            output.write(json ? RecordLine.json(end, listed: listed).text : RecordLine.text(end, listed: listed))
            output.flush()
        } catch let error as StoreError {
            output.flush()
            throw StoreTrouble.end(error)
        }
    }
}

/// How a program ends that cannot read the store it was given.
enum StoreTrouble {
    /// Unlike damage, which is 1, and unlike a mistyped word.
    private static let status: Int32 = 2

    static func end(_ error: StoreError) -> ExitCode {
        Console.complain("mqadmin: \(error)")
        return ExitCode(status)
    }
}

/// How a record and the end of a scan are written.
enum RecordLine {
    static func json(_ found: StoreScanner.Found) -> JSONValue {
        let record = found.record
        let properties = record.properties
        return [
            "logOffset": .integer(record.logOffset), "topic": .string(record.topic),
            "queueId": .integer(Int64(record.queueID)), "queueOffset": .integer(record.queueOffset),
            "uniqueID": properties[PropertyName.uniqueKey].map { .string($0) } ?? .null,
            "keys": properties[PropertyName.keys].map { .string($0) } ?? .null,
            "bodyCRC32": .integer(Int64(record.bodyCRC)), "bodyBytes": .integer(Int64(record.body.readableBytes)),
            "crcValid": .bool(found.isChecksumValid),
            "properties": .object(properties.entries.map { JSONMember($0.name, .string($0.value)) }),
        ]
    }

    static func json(_ end: StoreScanner.End, listed: Int) -> JSONValue {
        var members = [
            JSONMember("logOffset", .integer(end.logOffset)), JSONMember("records", .integer(Int64(listed))),
            JSONMember("torn", .bool(end.tornReason != nil)),
        ]
        if let reason = end.tornReason { members.append(JSONMember("reason", .string(reason))) }
        if !end.damaged.isEmpty {
            members.append(
                JSONMember("damaged", .array(end.damaged.map { [.integer($0.lowerBound), .integer($0.upperBound)] })))
        }
        if !end.missing.isEmpty {
            members.append(
                JSONMember("missing", .array(end.missing.map { [.integer($0.lowerBound), .integer($0.upperBound)] })))
        }
        return ["end": .object(members)]
    }

    static func text(_ found: StoreScanner.Found) -> String {
        let record = found.record
        let sum = found.isChecksumValid ? "" : "  DAMAGED"
        return "\(record.logOffset)  \(record.topic)/\(record.queueID)@\(record.queueOffset)  "
            + "\(record.body.readableBytes) bytes  \(record.properties[PropertyName.uniqueKey] ?? "-")\(sum)"
    }

    static func text(_ end: StoreScanner.End, listed: Int) -> String {
        let torn = end.tornReason.map { ", torn: \($0)" } ?? ""
        let damaged = end.damaged.map { "\n\($0.lowerBound) to \($0.upperBound): DAMAGED, no record can be read" }
        let missing = end.missing.map { "\n\($0.lowerBound) to \($0.upperBound): MISSING, no segments" }
        return "end at \(end.logOffset), \(listed) records\(torn)" + (damaged + missing).joined()
    }
}

/// Standard output in large pieces.
struct LineOutput {
    private var buffer = ByteBuffer()
    private static let pieceBytes = 1 << 16

    mutating func write(_ line: String) {
        buffer.writeString(line)
        buffer.writeInteger(UInt8(ascii: "\n"))
        if buffer.readableBytes >= Self.pieceBytes { flush() }
    }

    /// A reader that went away (`| head`) ends the program by SIGPIPE, as usual.
    mutating func flush() {
        while buffer.readableBytes > 0 {
            let count = buffer.withUnsafeReadableBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return }
            buffer.moveReaderIndex(forwardBy: count)
        }
        buffer.clear()
    }
}
