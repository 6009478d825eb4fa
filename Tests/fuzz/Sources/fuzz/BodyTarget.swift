import MQWire
import NIOCore

/// The JSON bodies of requests and answers; the first byte chooses one.
enum BodyTarget {
    private static let readers: [@Sendable (ByteBuffer) -> Void] = [
        { survives(HeartbeatData.self, $0) }, { survives(RegisterBrokerBody.self, $0) },
        { survives(TopicRouteData.self, $0) }, { survives(TopicConfigTable.self, $0) },
        { survives(LockBatchRequestBody.self, $0) }, { survives(LockBatchResponseBody.self, $0) },
        { survives(ConsumerList.self, $0) }, { survives(TopicList.self, $0) }, { survives(DataVersion.self, $0) },
        { survives(SubscriptionData.self, $0) }, { survives(TopicConfig.self, $0) }, clusters, queueTable,
    ]

    static func run(_ input: ByteBuffer) {
        var body = input
        guard let choice = body.readInteger(as: UInt8.self) else { return }
        // Printable, so that seeds can be written by hand: `a` is the first.
        readers[(Int(choice) + readers.count * 256 - 97) % readers.count](body)
    }

    private static func survives<Body: JSONBody & Equatable>(_ type: Body.Type, _ input: ByteBuffer) {
        guard let body = bounded(input.readableBytes, factor: 128, { try? Body(decoding: input) }) else { return }
        let again = try? Body(decoding: body.encoded())
        expect(again == body, "\(body) came back as \(String(describing: again))")
    }

    /// Names are sorted on the way out, so that it is the second text that must be the first.
    private static func clusters(_ input: ByteBuffer) {
        guard let body = bounded(input.readableBytes, factor: 128, { try? ClusterInfo(decoding: input) }) else {
            return
        }
        let again = try? ClusterInfo(decoding: body.encoded())
        expect(again?.encoded() == body.encoded(), "\(body) came back as \(String(describing: again))")
    }

    private static func queueTable(_ input: ByteBuffer) {
        guard let body = bounded(input.readableBytes, factor: 128, { try? QueueTable(decoding: input) }) else { return }
        let again = try? QueueTable(decoding: body.encoded())
        expect(again == body, "\(body) came back as \(String(describing: again))")
    }
}
