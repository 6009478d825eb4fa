/// The fields of one line, asked for by name and type; what is missing or of another type is an error that says so.
struct LineFields {
    let line: JSONLine
    let number: Int

    /// What a number may be: 31 years of nanoseconds, an exabyte.
    private static let range: ClosedRange<Int64> = -999_999_999_999_999_999...999_999_999_999_999_999

    init(_ line: JSONLine, number: Int) {
        self.line = line
        self.number = number
    }

    func event() throws(HistoryError) -> HistoryEvent {
        let at = try integer("t")
        guard at >= 0 else { throw wrong("t", "nanoseconds from 0") }
        return HistoryEvent(atNanoseconds: at, try body(text("e")))
    }

    private func body(_ name: String) throws(HistoryError) -> HistoryEvent.Body {
        switch name {
        case "run": .run(try run())
        case "planned-fault":
            .planned(.fault(PlannedFault(id: try text("id"), kind: try text("kind"), target: try text("target"))))
        case "planned-scan": .planned(.scan(PlannedScan(replica: try text("replica"), broker: try text("broker"))))
        case "phase": .phase(try text("name"))
        case "invoke": .invoke(try invocation())
        case "complete": .complete(try completion())
        case "deliver": .deliver(try delivery())
        case "unreadable": .unreadable(try unreadable())
        case "fault": .fault(try fault())
        case "drained": .drained(try drain())
        case "scanned": .scanned(try record())
        case "scan-ended": .scanEnded(try scan())
        case "end":
            .end(
                RunEnd(
                    completed: try flag("completed"), detail: try optionalText("detail") ?? "",
                    lines: try optionalInteger("lines").map { Int($0) },
                    isInterrupted: try optionalFlag("interrupted") ?? false))
        default: throw HistoryError(.unknownEvent, line: number, "unknown event '\(name)'")
        }
    }

    private func run() throws(HistoryError) -> RunHeader {
        let version = try count("format")
        let known = HistoryFormat.readableVersions
        guard known.contains(version) else {
            throw HistoryError(
                .unknownVersion, line: number,
                "format \(version) is not known here, only \(known.lowerBound) to \(known.upperBound)")
        }
        let seed = try text("seed")
        guard let seed = UInt64(seed) else { throw wrong("seed", "a whole number in quotes") }
        return RunHeader(
            formatVersion: version, runID: try text("run"), seed: seed,
            startedAtMilliseconds: try integer("started_ms"), topic: try text("topic"),
            plan: version == 1
                ? nil : PlanSize(faults: try count("planned_faults"), scans: try count("planned_scans")),
            lossAllowed: try optionalFlag("loss_allowed"), tailNanoseconds: try optionalInteger("tail_ns"))
    }

    private func invocation() throws(HistoryError) -> SendInvocation {
        guard let value = try value("value") else { throw missing("value") }
        return SendInvocation(
            operation: try count("op"), value: value, topic: try text("topic"), bodyHash: try hash("hash"),
            bodyBytes: try count("bytes"))
    }

    private func completion() throws(HistoryError) -> SendCompletion {
        guard let outcome = SendOutcome(rawValue: try text("outcome")) else {
            throw wrong("outcome", "one of \(SendOutcome.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        var stored: StoredAt?
        if let broker = try optionalText("broker") {
            stored = StoredAt(
                broker: broker, queueID: try count("queue"), queueOffset: try integer("offset"),
                uniqueID: try text("unique_id"), offsetID: try text("offset_id"))
        }
        return SendCompletion(
            operation: try count("op"), outcome: outcome, status: try text("status"), stored: stored,
            detail: try optionalText("detail"))
    }

    private func delivery() throws(HistoryError) -> Delivery {
        Delivery(
            consumer: try count("consumer"), assignment: try count("assignment"), broker: try text("broker"),
            queueID: try count("queue"), queueOffset: try integer("offset"), value: try value("value"),
            runID: try optionalText("run"), bodyHash: try hash("hash"), isDrain: try optionalFlag("drain") ?? false)
    }

    private func unreadable() throws(HistoryError) -> UnreadableAnswer {
        UnreadableAnswer(
            consumer: try count("consumer"), broker: try text("broker"), queueID: try count("queue"),
            queueOffset: try integer("offset"), detail: try optionalText("detail") ?? "")
    }

    private func fault() throws(HistoryError) -> FaultEdge {
        guard let edge = FaultEdge.Edge(rawValue: try text("edge")) else {
            throw wrong("edge", "one of \(FaultEdge.Edge.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return FaultEdge(
            uid: try text("uid"), kind: try text("kind"), target: try text("target"), edge: edge,
            detail: try optionalText("detail") ?? "", planID: try optionalText("plan"),
            errorNanoseconds: try optionalInteger("error_ns"))
    }

    private func drain() throws(HistoryError) -> QueueDrain {
        QueueDrain(
            broker: try text("broker"), queueID: try count("queue"), firstOffset: try optionalInteger("first") ?? 0,
            reachedOffset: try integer("reached"), maxOffset: try integer("max"),
            messages: try optionalInteger("messages").map { Int($0) }, complete: try flag("complete"),
            detail: try optionalText("detail") ?? "")
    }

    private func record() throws(HistoryError) -> ScannedRecord {
        ScannedRecord(
            replica: try text("replica"), queueID: try count("queue"), queueOffset: try integer("offset"),
            logOffset: try integer("log"), value: try value("value"), runID: try optionalText("run"),
            checksumAgrees: try flag("checksum"))
    }

    private func scan() throws(HistoryError) -> ReplicaScan {
        ReplicaScan(
            replica: try text("replica"), records: try count("records"), endOffset: try integer("end"),
            complete: try flag("complete"), detail: try optionalText("detail") ?? "")
    }

    // MARK: Fields by type

    private func text(_ name: String) throws(HistoryError) -> String {
        guard let text = try optionalText(name) else { throw missing(name) }
        return text
    }

    private func optionalText(_ name: String) throws(HistoryError) -> String? {
        switch line[name] {
        case nil, .null: return nil
        case .string(let range, let escaped): return line.text(range, escaped: escaped)
        default: throw wrong(name, "text")
        }
    }

    private func integer(_ name: String) throws(HistoryError) -> Int64 {
        guard let number = try optionalInteger(name) else { throw missing(name) }
        return number
    }

    private func optionalInteger(_ name: String) throws(HistoryError) -> Int64? {
        switch line[name] {
        case nil, .null: return nil
        case .integer(let number):
            // So that no sum or difference of two of them runs over.
            guard Self.range.contains(number) else { throw wrong(name, "a whole number of at most 18 digits") }
            return number
        default: throw wrong(name, "a whole number")
        }
    }

    private func count(_ name: String) throws(HistoryError) -> Int {
        guard let count = Int(exactly: try integer(name)), count >= 0 else {
            throw wrong(name, "a whole number from 0")
        }
        return count
    }

    private func flag(_ name: String) throws(HistoryError) -> Bool {
        guard let flag = try optionalFlag(name) else { throw missing(name) }
        return flag
    }

    private func optionalFlag(_ name: String) throws(HistoryError) -> Bool? {
        switch line[name] {
        case nil, .null: return nil
        case .bool(let flag): return flag
        default: throw wrong(name, "true or false")
        }
    }

    private func hash(_ name: String) throws(HistoryError) -> UInt64 {
        let digits = try text(name)
        guard digits.utf8.count == 16, let hash = UInt64(digits, radix: 16) else {
            throw wrong(name, "16 hexadecimal digits")
        }
        return hash
    }

    private func value(_ name: String) throws(HistoryError) -> ValueID? {
        guard let written = try optionalText(name) else { return nil }
        guard let value = ValueID(written) else { throw wrong(name, "a value like p0-17") }
        return value
    }

    private func missing(_ name: String) -> HistoryError {
        HistoryError(.missingField, line: number, "field '\(name)' is missing")
    }

    private func wrong(_ name: String, _ expected: String) -> HistoryError {
        HistoryError(.wrongType, line: number, "field '\(name)' must be \(expected)")
    }
}
