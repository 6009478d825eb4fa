import LabHistory
import Testing

@Suite struct FormatTests {
    static let samples: [HistoryEvent] =
        Fixture.all.flatMap { $0.told().events } + [
            HistoryEvent(
                atNanoseconds: 999_999_999_999_999_999,
                .fault(FaultEdge(uid: "ü\"\\\n\u{1}", kind: "", target: "→", edge: .stuck, detail: "\t"))),
            HistoryEvent(
                atNanoseconds: 0,
                .run(
                    RunHeader(
                        formatVersion: 1, runID: "", seed: .max, startedAtMilliseconds: -1, topic: "a/b"))),
            HistoryEvent(
                atNanoseconds: 2,
                .fault(
                    FaultEdge(
                        uid: "u", kind: "k", target: "t", edge: .expired, detail: "", planID: "p",
                        errorNanoseconds: 1_500))),
            HistoryEvent(
                atNanoseconds: 2,
                .run(
                    RunHeader(
                        formatVersion: 3, runID: "r", seed: 1, startedAtMilliseconds: 5, topic: "t",
                        plan: PlanSize(faults: 1, scans: 2), lossAllowed: true))),
            HistoryEvent(atNanoseconds: 3, .end(RunEnd(completed: true, detail: "", lines: 42))),
            HistoryEvent(
                atNanoseconds: 1,
                .complete(SendCompletion(operation: 3, outcome: .info, status: "timeout", stored: nil, detail: "3 s"))),
        ]

    @Test func whatIsWrittenIsReadBack() throws {
        for event in Self.samples {
            let line = HistoryFormat.encode(event)
            #expect(line.last == UInt8(ascii: "\n"))
            #expect(line.dropLast().allSatisfy { $0 >= 0x20 })
            #expect(try HistoryFormat.decode(line: line, number: 1) == event)
        }
    }

    @Test func anyChunksGiveTheSameEvents() throws {
        let bytes = Self.samples.flatMap { HistoryFormat.encode($0) }
        for size in [1, 7, 64, bytes.count] {
            var lines = HistoryLines()
            var events: [HistoryEvent] = []
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, start + size)
                try lines.feed(bytes[start..<end]) { (event, line) throws(HistoryError) in
                    events.append(event)
                    #expect(line == events.count)
                }
                start = end
            }
            #expect(lines.finish() == .whole)
            #expect(events == Self.samples)
        }
    }

    @Test func aTornLastLineIsNoDamage() throws {
        let whole = HistoryFormat.encode(Self.samples[0])
        let torn = HistoryFormat.encode(Self.samples[1])
        for length in 1..<torn.count {
            var lines = HistoryLines()
            var count = 0
            try lines.feed(whole + torn.prefix(length)) { (_, _) throws(HistoryError) in count += 1 }
            #expect(count == 1)
            #expect(lines.finish() == .torn(line: 2, bytes: length))
        }
    }

    @Test func unknownFieldsAreIgnored() throws {
        let line = #"{"t":1,"x":{"a":[1,2.5e3,{"b":null}],"c":"}"},"e":"phase","y":-0.5,"name":"drain"}"#
        #expect(try HistoryFormat.decode(line: line.utf8, number: 1) == HistoryEvent(atNanoseconds: 1, .phase("drain")))
    }

    @Test func escapesAreUnderstood() throws {
        let line = #"{"t":1,"e":"phase","name":"\u00fc\ud83d\ude00\/\n\"\\"}"#
        #expect(
            try HistoryFormat.decode(line: line.utf8, number: 1)
                == HistoryEvent(atNanoseconds: 1, .phase("ü😀/\n\"\\")))
    }

    @Test(arguments: [
        ("", HistoryError.Code.notJSON), ("{", .notJSON), ("[]", .notJSON), ("{}", .missingField),
        (#"{"t":1}"#, .missingField), (#"{"t":1,"e":"phase"}"#, .missingField),
        (#"{"t":"1","e":"phase","name":"x"}"#, .wrongType), (#"{"t":1.5,"e":"phase","name":"x"}"#, .wrongType),
        (#"{"t":-1,"e":"phase","name":"x"}"#, .wrongType), (#"{"t":1,"e":"party"}"#, .unknownEvent),
        (#"{"t":1,"e":"phase","name":"x"}}"#, .notJSON), (#"{"t":99999999999999999999,"e":"x"}"#, .wrongType),
        (#"{"t":1,"e":"run","format":4,"run":"r","seed":"1","started_ms":0,"topic":"t"}"#, .unknownVersion),
        (#"{"t":9223372036854775807,"e":"phase","name":"x"}"#, .wrongType),
        (#"{"t":1,"e":"run","format":2,"run":"r","seed":"1","started_ms":0,"topic":"t"}"#, .missingField),
        (#"{"t":1,"e":"planned-fault","id":"crash","kind":"process-signal"}"#, .missingField),
        (#"{"t":1,"e":"planned-scan","replica":7,"broker":"b"}"#, .wrongType),
        (#"{"t":1,"e":"unreadable","consumer":0,"broker":"b","queue":0}"#, .missingField),
        (#"{"t":1,"e":"drained","broker":"b","queue":0,"first":"0","reached":0,"max":0,"complete":true}"#, .wrongType),
        (#"{"t":1,"e":"run","format":1,"run":"r","seed":1,"started_ms":0,"topic":"t"}"#, .wrongType),
        (#"{"t":1,"e":"complete","op":1,"outcome":"fine","status":""}"#, .wrongType),
        (#"{"t":1,"e":"invoke","op":-1,"value":"p0-0","topic":"t","hash":"0000000000000000","bytes":0}"#, .wrongType),
        (#"{"t":1,"e":"invoke","op":1,"value":"p0","topic":"t","hash":"0000000000000000","bytes":0}"#, .wrongType),
        (#"{"t":1,"e":"invoke","op":1,"value":"p0-0","topic":"t","hash":"00","bytes":0}"#, .wrongType),
        (#"{"t":1,"e":"phase","name":"\x"}"#, .notJSON), (#"{"t":1,"e":"phase","name":"\u12"}"#, .notJSON),
        (String(repeating: "[", count: 1000), .notJSON),
        (#"{"t":1,"x":"# + String(repeating: "[", count: 1000), .notJSON),
        (String(repeating: "x", count: 70_000), .lineTooLong),
    ])
    func aBadLineIsRefusedByItsNumber(_ line: String, _ code: HistoryError.Code) {
        do {
            let event = try HistoryFormat.decode(line: line.utf8, number: 41)
            Issue.record("read as \(event)")
        } catch {
            #expect(error.code == code)
            #expect(error.description.hasPrefix("history line 41: "))
        }
    }

    /// No prefix and no single changed byte of a good line may trap.
    @Test func damageIsRefusedOrReadButNeverTraps() {
        for event in Self.samples.suffix(12) {
            let line = HistoryFormat.encode(event)
            for index in line.indices {
                for byte: UInt8 in [0, 0x22, 0x5C, 0x7B, 0x7D, 0x39, 0xFF] {
                    var damaged = line
                    damaged[index] = byte
                    _ = try? HistoryFormat.decode(line: damaged, number: 1)
                }
                _ = try? HistoryFormat.decode(line: line.prefix(index), number: 1)
            }
        }
    }

    @Test func aDamagedLineMakesTheVerdictAnError() {
        var judge = HistoryJudge(promises: Promises(lossAllowed: false))
        judge.consume(HistoryError(.notJSON, line: 3, "no JSON object"))
        #expect(judge.verdict().status == .error)
        #expect(judge.verdict().finding(.malformed)?.witness?.lines == [3])
    }

    @Test func theTimelineStaysBounded() {
        var line = Timeline()
        for second in 0..<10_000 { line.count(at: Int64(second) * 1_000_000_000) { $0.ok += 1 } }
        line.count(at: .max) { $0.ok += 1 }
        line.count(at: -5) { $0.ok += 1 }
        #expect(line.windows.count <= Timeline.maximumWindows)
        #expect(line.windows.reduce(0) { $0 + $1.ok } == 10_002)
    }
}
