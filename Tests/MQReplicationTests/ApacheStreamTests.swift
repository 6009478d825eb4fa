import Foundation
import Glibc
import Logging
import MQWire
import NIOCore
import Synchronization
import SystemPackage
import Testing

@testable import MQReplication
@testable import MQStore

/// One real HA connection between a master and a slave of Apache RocketMQ 4.9.8, each end of it played against ours.
@Suite struct ApacheStreamTests {
    private struct Capture {
        var reports: [Int64]
        var packets: [(offset: Int64, bytes: ByteBuffer)]
        var log = ByteBuffer()

        init() throws {
            let url = try #require(Bundle.module.resourceURL).appendingPathComponent("Fixtures/ha-stream.json")
            let json = try JSONValue(parsing: ByteBuffer(bytes: Data(contentsOf: url)))
            func list(_ key: String) -> [ByteBuffer] {
                (json[key]?.arrayValue ?? []).compactMap { $0.stringValue.flatMap(Self.bytes) }
            }
            reports = list("slave_reports_hex").compactMap { $0.getInteger(at: 0, as: Int64.self) }
            packets = []
            for packet in list("master_packets_hex") {
                var packet = packet
                guard let (offset, size) = packet.readMultipleIntegers(as: (Int64, Int32).self),
                    let bytes = packet.readSlice(length: Int(size))
                else { throw LinkError(description: "a packet of the capture is cut short") }
                packets.append((offset, bytes))
                log.writeImmutableBuffer(bytes)
            }
        }

        private static func bytes(_ hex: String) -> ByteBuffer? {
            let digits = Array(hex.utf8)
            guard digits.count.isMultiple(of: 2) else { return nil }
            let bytes = stride(from: 0, to: digits.count, by: 2).compactMap {
                UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
            }
            return bytes.count * 2 == digits.count ? ByteBuffer(bytes: bytes) : nil
        }
    }

    private static let quiet = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    private static func store(_ place: ReplicationTests.Place) throws -> MessageStore {
        try place.open(segmentBytes: 64 << 20)
    }

    /// Apache's master sends; our slave has its log byte for byte, and reports what Apache's slave did.
    @Test func apachesMasterIsFollowed() async throws {
        let capture = try Capture()
        #expect(capture.packets.contains { $0.bytes.readableBytes > 0 } && capture.reports.contains { $0 > 0 })
        let place = ReplicationTests.Place()
        let store = try Self.store(place)
        defer { store.close() }
        let (listener, port) = try StreamSocket.listen(on: SocketAddress(ipAddress: "127.0.0.1", port: 0))
        let reports = Mutex<[Int64]>([])
        let end = Int64(capture.log.readableBytes)
        let packets = capture.packets
        let master = StoreThread(name: "scripted") {
            let socket = StreamSocket(descriptor: StreamSocket.accept(on: listener))
            var unread = ByteBuffer()
            func hear() {
                guard var bytes = try? socket.receive(atMost: 4096) else { return }
                unread.writeBuffer(&bytes)
                while let report = unread.readInteger(as: Int64.self) { reports.withLock { $0.append(report) } }
            }
            hear()
            for packet in packets {
                try? socket.send(
                    HAFrame.head(logOffset: packet.offset, size: packet.bytes.readableBytes), packet.bytes)
            }
            socket.setTimeout(SO_RCVTIMEO, milliseconds: 5000)
            while reports.withLock({ $0.last ?? 0 }) < end, reports.withLock({ $0.count }) < 1000 { hear() }
        }
        let slave = ReplicationSlave(store: store, logger: Self.quiet)
        slave.start()
        slave.follow(.init(address: try SocketAddress(ipAddress: "127.0.0.1", port: port)))
        master.join()
        Glibc.close(listener)
        slave.stop()
        #expect(store.maximumLogOffset == end)
        #expect(try place.log(upTo: end) == Data(capture.log.readableBytesView))
        let heard = reports.withLock { $0 }
        #expect(heard.first == 0 && heard.last == end)
        #expect(Set(heard).isSubset(of: Set(capture.reports)), "\(heard)")
        // What it has of that log it serves: every record is in its queue.
        var records = 0
        for key in store.queueKeys {
            let maximum = store.maximumOffset(of: key)
            records += try store.entries(of: key, from: 0, count: Int(maximum)).count
        }
        #expect(records > 0)
    }

    /// Apache's slave reports; our master sends it what Apache's did.
    @Test func apachesSlaveIsServed() async throws {
        let capture = try Capture()
        let place = ReplicationTests.Place()
        let store = try Self.store(place)
        defer { store.close() }
        var stream = ReplicaStream(position: 0)
        for packet in capture.packets {
            var frame = HAFrame.head(logOffset: packet.offset, size: packet.bytes.readableBytes)
            frame.writeImmutableBuffer(packet.bytes)
            for piece in try stream.feed(frame) {
                _ = try await withCheckedThrowingContinuation { continuation in
                    store.appendReplica(piece.bytes, at: piece.logOffset) { continuation.resume(with: $0) }
                }
            }
        }
        var configuration = ReplicationMaster.Configuration()
        (configuration.host, configuration.port) = ("127.0.0.1", 0)
        configuration.heartbeatMilliseconds = 50
        let master = ReplicationMaster(store: store, configuration: configuration, logger: Self.quiet)
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: master.start())
        let end = Int64(capture.log.readableBytes)
        let got = Mutex((log: ByteBuffer(), heartbeats: 0, order: true))
        let reports = capture.reports
        let slave = StoreThread(name: "scripted") {
            guard let socket = try? StreamSocket.connect(to: address, timeoutMilliseconds: 5000) else { return }
            socket.setTimeout(SO_RCVTIMEO, milliseconds: 5000)
            func report(_ offset: Int64) {
                var buffer = ByteBuffer()
                buffer.writeInteger(offset)
                try? socket.send(buffer)
            }
            report(reports[0])
            var unread = ByteBuffer()
            while got.withLock({ Int64($0.log.readableBytes) < end || $0.heartbeats == 0 }) {
                guard var bytes = try? socket.receive(atMost: 4096), bytes.readableBytes > 0 else { return }
                unread.writeBuffer(&bytes)
                while let size = unread.getInteger(at: unread.readerIndex + 8, as: Int32.self),
                    unread.readableBytes >= 12 + Int(size), let offset = unread.readInteger(as: Int64.self)
                {
                    unread.moveReaderIndex(forwardBy: 4)
                    got.withLock { got in
                        if offset != Int64(got.log.readableBytes) { got.order = false }
                        if size == 0 { got.heartbeats += 1 }
                        if let part = unread.readSlice(length: Int(size)) { got.log.writeImmutableBuffer(part) }
                    }
                }
                for offset in reports where offset <= got.withLock({ Int64($0.log.readableBytes) }) { report(offset) }
            }
            // Stays until the master has heard the last report.
            for _ in 0..<500 where master.lagBytes != 0 { usleep(10_000) }
            got.withLock { $0.order = $0.order && master.lagBytes == 0 }
        }
        slave.join()
        master.stop()
        let outcome = got.withLock { $0 }
        #expect(outcome.log == capture.log && outcome.order && outcome.heartbeats > 0)
    }
}
