import Foundation
import MQStore
import MQWire
import NIOCore
import SystemPackage
import Testing

/// A directory of one test, removed with it.
final class StoreFixture: Sendable {
    let root: FilePath

    init() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("store-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        root = FilePath(url.path)
    }

    deinit { try? FileManager.default.removeItem(atPath: root.string) }

    /// A configuration with the smallest segments.
    func configuration(_ flush: FlushPolicy = .async, segmentBytes: Int64 = 1 << 20) -> StoreConfiguration {
        var configuration = StoreConfiguration(root: root)
        configuration.segmentBytes = segmentBytes
        configuration.entriesPerQueueFile = 100
        configuration.flushPolicy = flush
        return configuration
    }

    func open(_ flush: FlushPolicy = .async) throws -> MessageStore {
        try MessageStore(configuration: configuration(flush), now: { 1_700_000_000_000 })
    }

    /// What a crash at this moment leaves: the files as they are now, in a directory of their own.
    ///
    /// The process that wrote them goes on, as the kernel does after `kill -9`: every write is there, marker included.
    func crashed() throws -> StoreFixture {
        let copy = try StoreFixture()
        for attempt in 1... {
            try FileManager.default.removeItem(atPath: copy.root.string)
            do {
                try FileManager.default.copyItem(atPath: root.string, toPath: copy.root.string)
                break
            } catch CocoaError.fileNoSuchFile where attempt < 10 {
                // The one who writes replaced a file between the listing and the copy.
            }
        }
        return copy
    }

    /// The same without what the process noted of how far it was synced: all of the log could be torn.
    func withoutNotes() throws -> StoreFixture {
        for name in ["checkpoint", "queueEnds"] {
            try? FileManager.default.removeItem(atPath: root.appending(name).string)
        }
        return self
    }

    /// The first segment's file.
    var firstSegment: String { root.appending("commitlog").appending(String(repeating: "0", count: 20)).string }

    func overwrite(_ bytes: [UInt8], at offset: UInt64) throws {
        let file = try #require(FileHandle(forUpdatingAtPath: firstSegment))
        try file.seek(toOffset: offset)
        try file.write(contentsOf: Data(bytes))
        try file.close()
    }
}

/// A message for tests.
func message(_ topic: String, _ queueID: Int32 = 0, body: String, properties: MessageProperties = [:]) -> RecordDraft {
    RecordDraft(
        topic: topic, queueID: queueID, bornTimestamp: 1, bornHost: .loopback,
        storeHost: RecordHost(address: [127, 0, 0, 1], port: 10911), body: ByteBuffer(string: body),
        properties: ByteBuffer(string: properties.text))
}

extension MessageStore {
    /// Appends and waits for the answer.
    @discardableResult
    func append(_ drafts: [RecordDraft]) async throws -> AppendReceipt {
        try await withCheckedThrowingContinuation { continuation in
            append(drafts) { outcome in continuation.resume(with: outcome.result) }
        }
    }

    /// The bodies of a queue, from the offset on.
    func bodies(_ topic: String, _ queueID: Int32 = 0, from offset: Int64 = 0) throws -> [String] {
        let key = QueueKey(topic: topic, queueID: queueID)
        var bodies: [String] = []
        var next = offset
        while true {
            let reading = try read(QueueRequest(key: key, offset: next, maximumCount: 32))
            guard reading.status == .found else { return bodies }
            bodies += try #require(StoredRecord.readAll(reading.body)).map { String(buffer: $0.body) }
            next = reading.nextOffset
        }
    }
}
