import Logging
import MQStore
import MQTransport
import MQWire
import NIOCore
import Synchronization

/// Requests 324 and 325: the answer in the request–reply pattern.
///
/// Who asked is named in the reply's properties and has a connection to this broker: the reply is pushed there with
/// request 326, and the replier hears whether it arrived. It is stored, too, for whoever wants to know what was said.
struct ReplyProcessor: Sendable {
    let context: BrokerContext

    /// How long the asker has to confirm; its own patience is 3 s by default.
    private static let pushTimeout = Duration.seconds(3)

    func handle(_ request: RemotingCommand, from connection: RemotingConnection, reply: RemotingReply) throws {
        let header = try SendMessageRequestHeader(request: request)
        let body = request.body?.unpinned() ?? ByteBuffer()
        if let objection = MessageIntake.objection(
            topic: header.topic, bodyBytes: body.readableBytes, propertyBytes: header.properties.utf8.count,
            maximumBodyBytes: context.live.withLock { $0.maximumMessageBytes })
        {
            return reply.send(objection.code, remark: objection.remark)
        }
        guard let topic = context.topics.withLock({ $0[header.topic] }), topic.permission.contains(.write) else {
            return reply.send(.topicNotExist, remark: "topic[\(header.topic)] not exist, or takes no messages")
        }
        var properties = MessageProperties(text: header.properties)
        guard let asker = properties[PropertyName.replyToClient] else {
            return reply.send(
                .systemError, remark: "the reply has no property \(PropertyName.replyToClient): whom shall it go to?")
        }
        keep(header, body: body, properties: properties, queues: topic.writeQueueNums, from: connection)
        let target = context.clients.withLock { $0.producerConnection(of: asker) }
        guard let channel = context.connections.withLock({ all in target.flatMap { all[$0] } }) else {
            return reply.send(.systemError, remark: "push reply message fail, client \(asker) is not connected here")
        }
        let now = context.now()
        properties[PropertyName.pushReplyTime] = String(now)
        var pushed = header
        pushed.properties = properties.text
        let push = ReplyMessageRequestHeader(
            message: pushed, bornHost: connection.remoteAddress,
            storeHost: context.storeHost.withLock { "\($0)" }, storeTimestamp: now)
        channel.push(.request(.pushReplyMessage, push, body: body), timeout: Self.pushTimeout).whenComplete { result in
            switch result {
            case .success(let answer) where answer.responseCode == .success:
                let fields = SendMessageResponseHeader(messageID: "", queueID: header.queueID, queueOffset: 0).fields
                reply.send(RemotingCommand(code: ResponseCode.success.rawValue, extFields: fields))
            case .success(let answer):
                reply.send(.systemError, remark: "push reply message to \(asker) fail: \(answer.remark ?? "")")
            case .failure(let error):
                reply.send(.systemError, remark: "push reply message to \(asker) fail: \(error)")
            }
        }
    }

    /// Stores the reply; the asker does not wait for it, and the replier is told about the push alone.
    private func keep(
        _ header: SendMessageRequestHeader, body: ByteBuffer, properties: MessageProperties, queues: Int32,
        from connection: RemotingConnection
    ) {
        var properties = properties
        properties[PropertyName.waitStoreMessageOK] = nil
        properties[PropertyName.cluster] = context.configuration.clusterName
        let isQueue = header.queueID >= 0 && header.queueID < queues
        var draft = RecordDraft(
            topic: header.topic, queueID: isQueue ? header.queueID : .random(in: 0..<max(1, queues)), flag: header.flag,
            sysFlag: SysFlag(rawValue: header.sysFlag), bornTimestamp: header.bornTimestamp,
            bornHost: connection.remoteHost, storeHost: context.storeHost.withLock { $0 },
            reconsumeTimes: header.reconsumeTimes, body: body)
        draft.properties = ByteBuffer(string: properties.text)
        guard draft.properties.readableBytes <= MessageProperties.maximumEncodedBytes else { return }
        context.append([draft], awaitsFlush: false) { [context] outcome in
            guard case .failure(let error) = outcome.result else { return }
            context.logger.warning("a reply was not stored", metadata: ["error": "\(error)"])
        }
    }
}
