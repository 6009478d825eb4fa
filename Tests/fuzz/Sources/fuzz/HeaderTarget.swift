import MQWire
import NIOCore

/// Typed headers, read from fields that stand as lines `name=value`.
enum HeaderTarget {
    static func run(_ input: ByteBuffer) {
        var fields = ExtFields()
        for line in input.readableBytesView.split(separator: UInt8(ascii: "\n")).prefix(64) {
            let parts = line.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            fields[String(decoding: parts[0], as: UTF8.self)] =
                parts.count > 1 ? String(decoding: parts[1], as: UTF8.self) : ""
        }
        sending(fields)
        queues(fields)
        clients(fields)
        nameserver(fields)
    }

    private static func sending(_ fields: ExtFields) {
        for code in [RequestCode.sendMessage, .sendMessageV2] {
            let request = RemotingCommand(code: code.rawValue, extFields: fields)
            guard let header = try? SendMessageRequestHeader(request: request) else { continue }
            let short = RemotingCommand(code: RequestCode.sendMessageV2.rawValue, extFields: header.shortFields)
            expect((try? SendMessageRequestHeader(request: short)) == header, "\(header) did not survive its letters")
        }
        survives(SendMessageRequestHeader.self, fields)
        survives(SendMessageResponseHeader.self, fields)
        survives(ReplyMessageRequestHeader.self, fields)
        survives(PullMessageRequestHeader.self, fields)
        survives(PullMessageResponseHeader.self, fields)
        survives(ConsumerSendMessageBackRequestHeader.self, fields)
        survives(EndTransactionRequestHeader.self, fields)
        survives(CheckTransactionStateRequestHeader.self, fields)
    }

    private static func queues(_ fields: ExtFields) {
        survives(QueryConsumerOffsetRequestHeader.self, fields)
        survives(UpdateConsumerOffsetRequestHeader.self, fields)
        survives(QueueRequestHeader.self, fields)
        survives(SearchOffsetRequestHeader.self, fields)
        survives(OffsetResponseHeader.self, fields)
        survives(EarliestStoreTimeResponseHeader.self, fields)
        survives(QueryMessageRequestHeader.self, fields)
        survives(QueryMessageResponseHeader.self, fields)
        survives(ViewMessageRequestHeader.self, fields)
        survives(CreateTopicRequestHeader.self, fields)
        survives(TopicRequestHeader.self, fields)
    }

    private static func clients(_ fields: ExtFields) {
        survives(UnregisterClientRequestHeader.self, fields)
        survives(ConsumerGroupRequestHeader.self, fields)
        survives(ProducerGroupRequestHeader.self, fields)
        survives(ConsumeStatsRequestHeader.self, fields)
        survives(ResetOffsetRequestHeader.self, fields)
    }

    private static func nameserver(_ fields: ExtFields) {
        survives(RegisterBrokerRequestHeader.self, fields)
        survives(RegisterBrokerResponseHeader.self, fields)
        survives(UnregisterBrokerRequestHeader.self, fields)
        survives(QueryDataVersionRequestHeader.self, fields)
        survives(QueryDataVersionResponseHeader.self, fields)
        survives(BrokerNameRequestHeader.self, fields)
        survives(PutKeyValueRequestHeader.self, fields)
        survives(KeyValueRequestHeader.self, fields)
        survives(KeyValueResponseHeader.self, fields)
    }

    private static func survives<Header: CommandHeader & Equatable>(_ type: Header.Type, _ fields: ExtFields) {
        guard let header = try? Header(fields: fields) else { return }
        let again = try? Header(fields: header.fields)
        expect(again == header, "\(header) came back as \(String(describing: again))")
    }
}
