import Foundation
import MQWire
import NIOCore
import SystemPackage
import Testing

@testable import MQStore

/// What is cut from a log is kept aside, and can be read.
@Suite struct LogCutTests {
    private func open(_ root: FilePath, cuttingAt cut: Int64? = nil) throws -> MessageStore {
        var configuration = StoreConfiguration(root: root)
        configuration.segmentBytes = 1 << 20
        return try MessageStore(configuration: configuration, now: { 1_700_000_000_000 }, cuttingAt: cut)
    }

    private func append(_ store: MessageStore, _ body: String) async throws -> Int64 {
        let draft = RecordDraft(
            topic: "t", queueID: 0, bornTimestamp: 1, bornHost: .loopback, storeHost: .loopback,
            body: ByteBuffer(string: body), properties: ByteBuffer())
        let receipt = try await withCheckedThrowingContinuation { continuation in
            store.append([draft]) { continuation.resume(with: $0.result) }
        }
        return try #require(receipt.logOffsets.first)
    }

    private func bodies(_ place: FilePath) throws -> (bodies: [String], end: StoreScanner.End) {
        var bodies: [String] = []
        let end = try StoreScanner(root: place).scan { found in
            #expect(found.isChecksumValid)
            bodies.append(String(String(buffer: found.record.body).prefix(4)))
        }
        return (bodies, end)
    }

    /// From the middle of one segment over a filler into the next two.
    @Test func aCutIsKeptAndCanBeScanned() async throws {
        let root = FilePath(NSTemporaryDirectory()).appending("cut-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(atPath: root.string) }
        var store = try open(root)
        var places: [Int64] = []
        let filling = String(repeating: "x", count: 300_000)
        for index in 0..<8 { places.append(try await append(store, "m-0\(index)" + filling)) }
        let end = store.maximumLogOffset
        #expect(end > 2 << 20)
        let cut = try store.saveEnd(from: places[2], name: "5-ab", reason: "a test")
        #expect(cut.range == places[2]..<end)
        // The log itself is untouched until it is opened anew; the same cut again takes the same place.
        #expect(store.maximumLogOffset == end)
        #expect(try store.saveEnd(from: places[2], name: "5-ab", reason: "a test") == cut)
        store.close()
        store = try open(root, cuttingAt: places[2])
        #expect(store.maximumLogOffset == places[2] && store.maximumOffset(of: QueueKey(topic: "t", queueID: 0)) == 2)
        #expect(try LogCut.all(below: store.configuration) == [cut])
        let kept = try bodies(cut.path)
        #expect(kept.bodies == (2..<8).map { "m-0\($0)" })
        #expect(kept.end.damaged.isEmpty && kept.end.missing.isEmpty && kept.end.tornReason == nil)
        #expect(kept.end.logOffset == end)
        // It goes on with other messages at the same places.
        #expect(try await append(store, "else") == places[2])
        store.close()
        #expect(try bodies(root).bodies == ["m-00", "m-01", "else"])
        #expect(try bodies(cut.path).bodies.first == "m-02")
    }

    /// A process that died while it copied leaves a folder that nobody takes for a cut.
    @Test func aCopyThatIsNotWholeCountsForNothing() async throws {
        let root = FilePath(NSTemporaryDirectory()).appending("cut-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(atPath: root.string) }
        let store = try open(root)
        defer { store.close() }
        _ = try await append(store, "m-00")
        let place = try await append(store, "m-01")
        let cut = try store.saveEnd(from: place, name: "1-1", reason: "a test")
        try FileManager.default.removeItem(atPath: cut.path.appending(LogCut.noteName).string)
        #expect(try LogCut.all(below: store.configuration).isEmpty)
        #expect(try store.saveEnd(from: place, name: "1-1", reason: "a test") == cut)
        #expect(try LogCut.all(below: store.configuration) == [cut])
    }
}
