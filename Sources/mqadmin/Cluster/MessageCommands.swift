import ArgumentParser
import MQClient
import MQTransport
import MQWire

/// `mqadmin queryMsgById`
struct QueryMessageByID: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queryMsgById", abstract: "The message that an offset id leads to, or with -t a unique id.",
        discussion: """
            Examples:
              mqadmin queryMsgById -i C612000C00002A9F000000000002D785
              mqadmin queryMsgById -t orders -i C6120015126718B4AAC210537C65002A
            """)

    @Option(name: [.customShort("i"), .customLong("msgId")], help: "The id, 32 hexadecimal digits.")
    var id: String
    @Option(name: [.customShort("t"), .customLong("topic")], help: "The topic, for a unique id.")
    var topic: String?
    @OptionGroup var target: AdminTarget

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            var found: [ReceivedMessage] = []
            if let topic {
                found = try await admin.messages(of: topic, key: id, limit: 32, isUniqueID: true)
            } else {
                found = [try await admin.message(offsetID: id)]
            }
            try MessageText.show(found, json: target.isForMachine, wanted: id)
        }
    }
}

/// `mqadmin queryMsgByKey`
struct QueryMessageByKey: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queryMsgByKey", abstract: "The messages of a topic that have a key.",
        discussion: "Example: mqadmin queryMsgByKey -t orders -k order-4711")

    @Option(name: [.customShort("t"), .customLong("topic")], help: "The topic.")
    var topic: String
    @Option(name: [.customShort("k"), .customLong("msgKey")], help: "The key.")
    var key: String
    @Option(help: "Not stored before, milliseconds since 1970.")
    var beginTimestamp: Int64 = 0
    @Option(help: "Not stored after, milliseconds since 1970.")
    var endTimestamp: Int64 = .max
    @OptionGroup var target: AdminTarget

    func validate() throws {
        guard beginTimestamp <= endTimestamp else { throw ValidationError("the times end before they begin") }
    }

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            let found = try await admin.messages(of: topic, key: key, within: beginTimestamp...endTimestamp)
            try MessageText.show(found, json: target.isForMachine, wanted: key)
        }
    }
}

/// `mqadmin queryMsgByOffset`
struct QueryMessageByOffset: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queryMsgByOffset", abstract: "The message at a place of a queue.",
        discussion: "Example: mqadmin queryMsgByOffset -t orders -b broker-a -i 3 -o 17")

    @Option(name: [.customShort("t"), .customLong("topic")], help: "The topic.")
    var topic: String
    @Option(name: [.customShort("b"), .customLong("brokerName")], help: "The broker's name.")
    var broker: String
    @Option(name: [.customShort("i"), .customLong("queueId")], help: "The queue.")
    var queue: Int32
    @Option(name: [.customShort("o"), .customLong("offset")], help: "The place in the queue.")
    var offset: Int64
    @OptionGroup var target: AdminTarget

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            let place = MessageQueue(topic: topic, brokerName: broker, queueID: queue)
            let wanted = "\(place) at \(offset)"
            switch try await admin.content(of: place, at: offset) {
            case .message(let message): try MessageText.show([message], json: target.isForMachine, wanted: wanted)
            case .passedOver: throw .invalid(reason: "message '\(wanted)' is damaged or lost, and kept from readers")
            case .nothing: try MessageText.show([], json: target.isForMachine, wanted: wanted)
            }
        }
    }
}

/// `mqadmin sendMessage`
struct SendMessage: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sendMessage", abstract: "Sends one message.",
        discussion: """
            Examples:
              mqadmin sendMessage -t orders -p 'hello' -k order-4711 -c created
              mqadmin sendMessage -t orders -p 'hello' -b broker-a -i 0
            """)

    @Option(name: [.customShort("t"), .customLong("topic")], help: "The topic.")
    var topic: String
    @Option(name: [.customShort("p"), .customLong("body")], help: "The body, a text.")
    var body: String
    @Option(name: [.customShort("k"), .customLong("key")], help: "A key to find it by.")
    var key: String?
    @Option(name: [.customShort("c"), .customLong("tags")], help: "Its tag.")
    var tags: String?
    @Option(name: [.customShort("b"), .customLong("broker")], help: "Only to a queue of this broker, by its name.")
    var broker: String?
    @Option(name: [.customShort("i"), .customLong("qid")], help: "Only to this queue; needs -b.")
    var queue: Int32?
    @OptionGroup var target: AdminTarget

    func validate() throws {
        guard queue == nil || broker != nil else { throw ValidationError("which broker's queue? (-i needs -b)") }
    }

    /// The queue that was asked for; `nil` when any will do.
    private func wish(_ producer: Producer) async throws(MQClientError) -> MessageQueue? {
        guard let broker else { return nil }
        let queues = try await producer.queues(for: topic)
        guard
            let found = queues.first(where: { $0.brokerName == broker && (queue == nil || $0.queueID == queue) })
        else {
            throw .invalid(
                reason: "topic \(topic) has no such queue to write (there are: "
                    + queues.map { "\($0.brokerName) \($0.queueID)" }.joined(separator: ", ") + ")")
        }
        return found
    }

    func run() async throws {
        try await target.run { (_, client) async throws(MQClientError) in
            let producer = Producer(group: "TOOLS_PRODUCER", client: client)
            let receipt = try await producer.send(
                Message(topic: topic, body: Array(body.utf8), tags: tags, keys: key.map { [$0] } ?? []),
                to: try await wish(producer))
            if target.isForMachine {
                let values: JSONValue = [
                    "status": .string(receipt.status.rawValue), "broker": .string(receipt.queue.brokerName),
                    "queue": .integer(Int64(receipt.queue.queueID)), "msgId": .string(receipt.messageID),
                    "offsetMsgId": .string(receipt.offsetMessageID), "offset": .integer(receipt.queueOffset),
                ]
                return print(values.text)
            }
            var table = Columns("Broker Name", "QID", "Send Result", "MsgId", "OffsetMsgId")
            table.add(
                receipt.queue.brokerName, "\(receipt.queue.queueID)", receipt.status.rawValue, receipt.messageID,
                receipt.offsetMessageID)
            print(table)
        }
    }
}

/// `mqadmin consumeMessage`
struct ConsumeMessage: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consumeMessage", abstract: "Reads messages of a topic, of one queue or of all; commits nothing.",
        discussion: """
            It reads what is there when it begins, and ends. Messages that are damaged or lost are named on stderr.

            Example: mqadmin consumeMessage -t orders -c 10
            Example: mqadmin consumeMessage -t orders -b broker-a -i 0 -o 17 -c 1
            """)

    @Option(name: [.customShort("t"), .customLong("topic")], help: "The topic.")
    var topic: String
    @Option(name: [.customShort("b"), .customLong("brokerName")], help: "Only the queues of this broker.")
    var broker: String?
    @Option(name: [.customShort("i"), .customLong("queueId")], help: "Only this queue; needs -b.")
    var queue: Int32?
    @Option(name: [.customShort("o"), .customLong("offset")], help: "From this place of the queue; needs -i.")
    var offset: Int64?
    @Option(name: [.customShort("g"), .customLong("consumerGroup")], help: "The group that asks.")
    var group = "TOOLS_CONSUMER"
    @Option(
        name: [.customShort("s"), .customLong("beginTimestamp")],
        help: "From this time on: \(Moment.accepted).", transform: Moment.milliseconds)
    var begin: Int64?
    @Option(
        name: [.customShort("e"), .customLong("endTimestamp")], help: "Up to this time, written likewise.",
        transform: Moment.milliseconds)
    var end: Int64?
    @Option(name: [.customShort("c"), .customLong("MessageNumber")], help: "How many at most.")
    var count: Int = 128
    @OptionGroup var target: AdminTarget

    func validate() throws {
        guard count > 0 else { throw ValidationError("-c \(count) is no number of messages (expected at least 1)") }
        guard queue == nil || broker != nil else { throw ValidationError("which broker's queue? (-i needs -b)") }
        guard offset == nil || queue != nil else { throw ValidationError("a place of which queue? (-o needs -i)") }
    }

    func run() async throws {
        try await target.run { (_, client) async throws(MQClientError) in
            let consumer = PullConsumer(group: group, client: client)
            let queues = try await consumer.queues(for: topic).filter {
                (broker == nil || $0.brokerName == broker) && (queue == nil || $0.queueID == queue)
            }
            guard !queues.isEmpty else { throw .invalid(reason: "topic \(topic) has no such queue") }
            var messages: [ReceivedMessage] = []
            for queue in queues where messages.count < count {
                messages += try await read(queue, with: consumer, atMost: count - messages.count)
            }
            await consumer.shutdown()
            try MessageText.show(messages, json: target.isForMachine, wanted: nil)
        }
    }

    /// What one queue has within the times, up to its end as it was at the beginning.
    private func read(
        _ queue: MessageQueue, with consumer: PullConsumer, atMost limit: Int
    ) async throws(MQClientError) -> [ReceivedMessage] {
        let last = try await consumer.maxOffset(of: queue)
        var place = try await consumer.minOffset(of: queue)
        if let offset {
            place = offset
        } else if let begin {
            place = try await consumer.offset(of: queue, atTime: begin)
        }
        var messages: [ReceivedMessage] = []
        while place < last, messages.count < limit {
            let pulled = try await consumer.pull(queue, from: place, max: Int32(min(32, limit - messages.count)))
            // A place before the first message leads to it; nothing leads to a place beyond the end.
            guard pulled.nextOffset > place || !pulled.messages.isEmpty else { break }
            tell(of: queue, passed: place..<min(pulled.nextOffset, last), pulled)
            place = pulled.nextOffset
            for message in pulled.messages where message.queueOffset < last {
                if let begin, message.storeTimestamp < begin { continue }
                if let end, message.storeTimestamp > end { return messages }
                messages.append(message)
            }
        }
        return messages
    }

    /// Names the places that the broker led past although all messages were asked for.
    private func tell(of queue: MessageQueue, passed places: Range<Int64>, _ pulled: PullResult) {
        guard pulled.status == .found || pulled.status == .noMatchedMessages else { return }
        var next = max(places.lowerBound, pulled.minOffset)
        for there in pulled.messages.map(\.queueOffset) + [places.upperBound] where there <= places.upperBound {
            if next < there {
                let text = next + 1 == there ? "\(next)" : "\(next) to \(there - 1)"
                Console.complain("mqadmin: \(queue) at \(text): damaged or lost, and kept from readers")
            }
            next = max(next, there + 1)
        }
    }
}

/// How messages are shown.
enum MessageText {
    /// The most characters of a body that a person is shown.
    private static let bodyCharacters = 1024

    static func show(_ messages: [ReceivedMessage], json: Bool, wanted: String?) throws(MQClientError) {
        if json { return print(JSONValue.array(messages.map(value)).text) }
        guard !messages.isEmpty else {
            throw .invalid(reason: wanted.map { "no message '\($0)' was found" } ?? "there is no message to read")
        }
        print(messages.map(text).joined(separator: "\n\n"))
    }

    private static func text(_ message: ReceivedMessage) -> String {
        let body = String(decoding: message.body.prefix(bodyCharacters), as: UTF8.self)
        let rows: [(String, String)] = [
            ("OffsetID", message.offsetMessageID), ("Topic", message.queue.topic),
            ("Tags", message.tags ?? "-"), ("Keys", message.keys.joined(separator: " ")),
            ("Queue ID", "\(message.queue.queueID)"), ("Queue Offset", "\(message.queueOffset)"),
            ("CommitLog Offset", "\(message.commitLogOffset)"), ("Reconsume Times", "\(message.reconsumeTimes)"),
            ("Born Timestamp", Moment.text(message.bornTimestamp)),
            ("Store Timestamp", Moment.text(message.storeTimestamp)),
            (
                "Properties",
                message.properties.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
            ),
            ("Body Bytes", "\(message.body.count)\(message.bodyCRCMatches ? "" : ", DAMAGED")"),
            ("Message Body", printable(body)),
        ]
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map { "\($0.0):\(String(repeating: " ", count: width - $0.0.count)) \($0.1)" }
            .joined(separator: "\n")
    }

    /// What a message holds must not steer the terminal.
    private static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? "\u{FFFD}" : $0 }))
    }

    private static func value(_ message: ReceivedMessage) -> JSONValue {
        [
            "offsetMsgId": .string(message.offsetMessageID), "msgId": .string(message.messageID),
            "topic": .string(message.queue.topic), "queue": .integer(Int64(message.queue.queueID)),
            "queueOffset": .integer(message.queueOffset), "commitLogOffset": .integer(message.commitLogOffset),
            "bornTimestamp": .integer(message.bornTimestamp), "storeTimestamp": .integer(message.storeTimestamp),
            "reconsumeTimes": .integer(Int64(message.reconsumeTimes)),
            "properties": .object(
                message.properties.sorted { $0.key < $1.key }.map { JSONMember($0.key, .string($0.value)) }),
            "body": .string(String(decoding: message.body, as: UTF8.self)),
            "bodyCRCMatches": .bool(message.bodyCRCMatches),
        ]
    }
}
