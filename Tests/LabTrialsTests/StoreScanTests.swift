import FoundationEssentials
import Glibc
import LabHistory
import SystemPackage
import Testing

@testable import LabTrials

/// What the scanner writes, and what the history makes of it.
@Suite struct StoreScanTests {
    static let record =
        #"{"logOffset":0,"topic":"t","queueId":1,"queueOffset":4,"keys":"p0-3","crcValid":true,"properties":{"SEATRIAL_RUN":"r"}}"#

    @Test func aScanIsHeldAgainstTheScannersOwnCount() throws {
        for (lines, missing) in [(2, false), (1, true)] {
            let output =
                Array(repeating: Self.record, count: lines) + [#"{"end":{"logOffset":90,"records":2,"torn":false}}"#]
            let scan = try #require(try Self.recorded(output))
            #expect(scan.records == 2 && scan.complete)
            #expect((scan.records != lines) == missing)
        }
    }

    @Test func aTornEndIsNoCompleteScanAndSaysWhy() throws {
        let end = #"{"end":{"logOffset":0,"records":0,"torn":true,"reason":"a size of 7 bytes"}}"#
        let scan = try #require(try Self.recorded([end]))
        #expect(!scan.complete && scan.detail.contains("a size of 7 bytes"))
    }

    @Test func aDamagedPlaceIsNoCompleteScan() throws {
        let end = #"{"end":{"logOffset":402,"records":1,"torn":false,"damaged":[[134,268]]}}"#
        let scan = try #require(try Self.recorded([Self.record, end]))
        #expect(!scan.complete && scan.detail.contains("from byte 134 to 268"))
    }

    @Test func outputWithoutAnEndIsRefused() {
        #expect(throws: TrialError.self) { try Self.recorded([Self.record]) }
    }

    private static func recorded(_ lines: [String]) throws -> ReplicaScan? {
        var template = Array("/tmp/seatrial-scan-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno(rawValue: errno) }
        let folder = FilePath(String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
        defer { try? FileManager.default.removeItem(atPath: folder.string) }
        let path = folder.appending("history.jsonl")
        let recorder = try HistoryRecorder(path: path, clock: RunClock())
        try StoreScan.record(Array(lines.joined(separator: "\n").utf8), replica: "broker-a", into: recorder)
        try recorder.close()
        var scan: ReplicaScan?
        var reader = HistoryLines()
        // No run begins here: only the lines matter.
        try reader.feed(Array(Data(contentsOf: URL(filePath: path.string)))) { event, _ in
            if case .scanEnded(let end) = event.body { scan = end }
        }
        return scan
    }
}
