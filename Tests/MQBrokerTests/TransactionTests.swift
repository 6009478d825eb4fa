import Foundation
import MQStore
import MQTransport
import MQWire
import NIOCore
import SystemPackage
import Testing

@testable import MQBroker

@Suite struct TransactionTableTests {
    private func half(_ log: Int64, due: Int64 = 100) -> TransactionTable.Half {
        .init(logOffset: log, producerGroup: "P", nextCheck: due)
    }

    @Test func anEndCountsOnce() {
        var table = TransactionTable()
        let first = table.begin(0)
        let again = table.begin(0)
        #expect(first && !again)
        table.abort(0)
        let afterFailure = table.begin(0)
        #expect(afterFailure)
        table.sawHalf(half(0))
        table.sawOp(endOf: 0)
        let late = table.begin(0)
        #expect(!late && table.open.isEmpty)
    }

    @Test func questionsAreCountedAndEnd() {
        var table = TransactionTable()
        table.sawHalf(half(7))
        table.sawHalf(half(8, due: 500))
        #expect(table.due(now: 99, periodMilliseconds: 60, checkLimit: 2).isEmpty)
        #expect(table.due(now: 100, periodMilliseconds: 60, checkLimit: 2).map(\.offset) == [0])
        #expect(table.due(now: 159, periodMilliseconds: 60, checkLimit: 2).isEmpty)
        #expect(table.due(now: 160, periodMilliseconds: 60, checkLimit: 2).map(\.isExhausted) == [false])
        #expect(table.due(now: 220, periodMilliseconds: 60, checkLimit: 2).map(\.isExhausted) == [true])
        // While its end is being written nobody is asked.
        _ = table.begin(0)
        #expect(table.due(now: 400, periodMilliseconds: 60, checkLimit: 2).isEmpty)
    }

    @Test func aRestartReadsWhatIsStillNeededAndNoMore() {
        var table = TransactionTable()
        for log in 0..<5 { table.sawHalf(half(Int64(log))) }
        #expect(table.savedOffsets == (0, 0))
        // Ended out of order: 3 and 0 are over, 1 is the first open one, and the end of 3 must be read again.
        table.sawOp(endOf: 3)
        table.sawOp(endOf: 0)
        #expect(table.savedOffsets == (1, 0))
        var restarted = TransactionTable(nextHalf: 1, nextOp: 0)
        for log in 1..<5 { restarted.sawHalf(half(Int64(log))) }
        for end in [Int64(3), 0] { restarted.sawOp(endOf: end) }
        #expect(restarted.open.keys.sorted() == table.open.keys.sorted())
        for end in [Int64(1), 2, 4] { table.sawOp(endOf: end) }
        #expect(table.savedOffsets == (5, 5) && table.open.isEmpty)
        table.sawOp(endOf: nil)
        #expect(table.savedOffsets == (5, 6))
    }

    /// What was remembered for each end grew without a limit behind one old half, and was walked through with each.
    @Test func oneOldHalfCostsTheOthersNothing() {
        var table = TransactionTable()
        table.sawHalf(half(0))
        for offset in 1...200_000 as ClosedRange<Int64> {
            let isFirst = table.begin(offset)
            #expect(isFirst)
            table.settle(offset)
            table.sawHalf(half(offset))
            table.sawOp(endOf: offset)
        }
        #expect(table.open.count == 1 && table.remembered < 300, "\(table.remembered)")
        // The old one's own end is still to come, and the places of the others' are behind what must be read again.
        #expect(table.savedOffsets == (0, 0))
        let isOver = table.begin(77)
        #expect(!isOver)
        table.sawOp(endOf: 0)
        #expect(table.savedOffsets == (200_001, 200_001) && table.remembered < 3)
    }

    /// Ends may be known before their halves are: in whatever order they come, each half ends once.
    @Test func anEndMayComeBeforeItsHalf() {
        var table = TransactionTable()
        for offset in [Int64(70), 3, 64] {
            let isFirst = table.begin(offset)
            #expect(isFirst)
            table.settle(offset)
        }
        table.sawOp(endOf: 70)
        #expect(table.savedOffsets == (0, 0))
        for offset in 0..<72 as Range<Int64> { table.sawHalf(half(offset)) }
        #expect(table.open.count == 69)
        for offset in [Int64(70), 3, 64] {
            let isFirst = table.begin(offset)
            #expect(!isFirst)
        }
        // What is too old goes, open or not, and the table goes on behind it.
        table.skipHalves(before: 71)
        #expect(table.open.keys.sorted() == [71] && table.savedOffsets.half == 71)
    }

    @Test func aQuestionThatCouldNotBeAskedDoesNotCount() {
        var table = TransactionTable()
        table.sawHalf(half(7))
        for turn in 0..<10 as Range<Int64> {
            let due = table.due(now: 100 + 60 * turn, periodMilliseconds: 60, checkLimit: 1)
            #expect(due.map(\.isExhausted) == [false])
            table.notAsked(0)
        }
    }
}

@Suite struct TransactionTests {
    private static func half(_ test: TestBroker, _ body: String) async throws -> RemotingCommand {
        try await test.send(
            "T", 1, body: body, properties: ["TRAN_MSG": "true", "PGROUP": "P", "UNIQ_KEY": "id-\(body)"])
    }

    private static func end(
        _ test: TestBroker, _ half: RemotingCommand, _ verdict: Int32, group: String = "P"
    ) async throws -> RemotingCommand {
        let id = try #require(OffsetMessageID(half.extFields["msgId"] ?? ""))
        let offset = try #require(half.extFields["queueOffset"].flatMap { Int64($0) })
        return try await test.call(
            .request(
                .endTransaction,
                EndTransactionRequestHeader(
                    producerGroup: group, tranStateTableOffset: offset, commitLogOffset: id.logOffset,
                    commitOrRollback: verdict)))
    }

    private static func bodies(_ test: TestBroker, _ topic: String = "T", _ queue: Int32 = 1) async throws -> [String] {
        let answer = try await test.pull(topic, queue, from: 0)
        return answer.responseCode == .success ? try test.bodies(answer) : []
    }

    @Test func aHalfIsSeenOnceItIsCommitted() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            let committed = try await Self.half(test, "yes")
            #expect(committed.responseCode == .success && committed.extFields["queueId"] == "1")
            let rolledBack = try await Self.half(test, "no")
            #expect(rolledBack.extFields["queueOffset"] == "1")
            #expect(try await Self.bodies(test) == [])
            #expect(try await Self.end(test, committed, 8, group: "other").remark == "The producer group wrong")
            #expect(try await Self.end(test, committed, 0).responseCode == .success)
            #expect(try await Self.bodies(test) == [])
            // Repeated, also by a producer that changes its mind: the first word counts.
            for verdict: Int32 in [8, 8, 12] {
                #expect(try await Self.end(test, committed, verdict).responseCode == .success)
            }
            #expect(try await Self.end(test, rolledBack, 12).responseCode == .success)
            #expect(try await Self.end(test, rolledBack, 8).responseCode == .success)
            #expect(try await Self.bodies(test) == ["yes"])
            let pulled = try await test.pull("T", 1, from: 0)
            let record = try #require(StoredRecord.readAll(pulled.body ?? ByteBuffer())?.first)
            #expect(record.sysFlag.transaction == .transactionCommit && record.preparedTransactionOffset == 0)
            #expect(record.properties.text.contains("PGROUP\u{1}P") && record.properties["TRAN_MSG"] == "true")
            // Only the broker writes into its own topics.
            #expect(try await test.send("RMQ_SYS_TRANS_HALF_TOPIC").responseCode == .noPermission)
            #expect(try await test.send("RMQ_SYS_TRANS_OP_HALF_TOPIC").responseCode == .noPermission)
        }
    }

    private static func producerHeartbeat(_ test: TestBroker) async throws {
        let data = HeartbeatData(clientID: "p", producerGroups: ["P"])
        #expect(try await test.call(.request(.heartbeat, body: data.encoded())).responseCode == .success)
    }

    @Test func whoSaysNothingIsAskedAndMayStillCommit() async throws {
        try await TestBroker.run({
            $0.transactionCheckInterval = .milliseconds(50)
            $0.transactionTimeout = .milliseconds(100)
        }) { (test: TestBroker) async throws in
            try await Self.producerHeartbeat(test)
            let half = try await Self.half(test, "late")
            func questions() -> [RemotingCommand] { test.pushed.requests.filter { $0.code == 39 } }
            #expect(await eventually { !questions().isEmpty })
            let question = try #require(questions().first)
            let header: CheckTransactionStateRequestHeader = try question.header()
            #expect(header.messageID == "id-late" && header.offsetMessageID == half.extFields["msgId"])
            #expect(question.isOneWay)
            let shown = try #require(StoredRecord.readAll(question.body ?? ByteBuffer())?.first)
            #expect(shown.topic == "T" && shown.queueID == 1 && String(buffer: shown.body) == "late")
            #expect(shown.properties["TRANSACTION_CHECK_TIMES"] == "1")
            let commit = EndTransactionRequestHeader(
                producerGroup: "P", tranStateTableOffset: header.tranStateTableOffset,
                commitLogOffset: header.commitLogOffset, commitOrRollback: 8, fromTransactionCheck: true)
            #expect(try await test.call(.request(.endTransaction, commit)).responseCode == .success)
            #expect(try await Self.bodies(test) == ["late"])
            // Its end was read, and nobody is asked any more.
            try await Task.sleep(for: .milliseconds(200))
            let asked = questions().count
            try await Task.sleep(for: .milliseconds(300))
            #expect(questions().count == asked)
        }
    }

    @Test func whatNobodyAnswersForIsGivenUp() async throws {
        try await TestBroker.run({
            $0.transactionCheckInterval = .milliseconds(40)
            $0.transactionTimeout = .milliseconds(50)
            $0.transactionCheckLimit = 3
        }) { (test: TestBroker) async throws in
            try await Self.producerHeartbeat(test)
            _ = try await Self.half(test, "orphan")
            let isKept = try await eventually {
                try await Self.bodies(test, "TRANS_CHECK_MAX_TIME_TOPIC", 0) == ["orphan"]
            }
            #expect(isKept)
            #expect(test.pushed.requests.filter { $0.code == 39 }.count == 3)
            #expect(try await Self.bodies(test) == [])
        }
    }

    @Test func openTransactionsSurviveARestart() async throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("broker-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        for round in 0..<2 {
            try await TestBroker.run({
                $0.storeRoot = FilePath(root.path)
                $0.transactionCheckInterval = .milliseconds(50)
                // In the first round nobody is asked; in the second at once.
                $0.transactionTimeout = round == 0 ? .seconds(3600) : .milliseconds(1)
            }) { (test: TestBroker) async throws in
                if round == 0 {
                    let ended = try await Self.half(test, "ended")
                    _ = try await Self.half(test, "open")
                    _ = try await Self.end(test, ended, 8)
                    // The offsets of both queues are told by the next look.
                    try await Task.sleep(for: .milliseconds(200))
                } else {
                    try await Self.producerHeartbeat(test)
                    func asked() -> Set<String> {
                        Set(test.pushed.requests.filter { $0.code == 39 }.compactMap { $0.extFields["msgId"] })
                    }
                    #expect(await eventually { !asked().isEmpty })
                    try await Task.sleep(for: .milliseconds(200))
                    #expect(asked() == ["id-open"])
                    #expect(try await Self.bodies(test) == ["ended"])
                }
            }
        }
    }
}
