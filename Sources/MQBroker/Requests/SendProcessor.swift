import CoreMetrics
import MQStore
import MQTransport
import MQWire
import NIOCore
import Synchronization

/// Requests 10, 310 and 320: takes messages, stores them, answers with where they are.
struct SendProcessor: Sendable {
    let context: BrokerContext

    func handle(_ request: RemotingCommand, from connection: RemotingConnection, reply: RemotingReply) throws {
        let header = try SendMessageRequestHeader(request: request)
        var request = request
        request.body = request.body?.unpinned()
        let body = request.body ?? ByteBuffer()
        if let objection = MessageIntake.objection(
            topic: header.topic, bodyBytes: body.readableBytes, propertyBytes: header.properties.utf8.count,
            maximumBodyBytes: context.live.withLock { $0.maximumMessageBytes })
        {
            return Self.refuse(reply, objection.code, objection.remark)
        }
        switch context.resolveTopic(
            header.topic, model: header.defaultTopic, clientQueueNums: header.defaultTopicQueueNums)
        {
        case .known(let topic):
            // Together with what else came: ``BrokerService/requestsHandled()`` wakes the writer for all.
            try accept(request, header: header, topic: topic, from: connection, reply: reply, isLast: false)
        case .created(let topic):
            context.topicsDidChange { [self, request] in
                acceptLater(request, header: header, topic: topic, from: connection, reply: reply)
            }
        case .saving(let topic):
            context.afterSavingTopics { [self, request] in
                acceptLater(request, header: header, topic: topic, from: connection, reply: reply)
            }
        case .missing:
            Self.refuse(
                reply, .topicNotExist,
                "topic[\(header.topic)] not exist, apply first please! (make it with mqadmin updateTopic, "
                    + "or set autoCreateTopicEnable=true)")
        }
    }

    /// On some thread, when whatever else came with the request was handled long ago.
    private func acceptLater(
        _ request: RemotingCommand, header: SendMessageRequestHeader, topic: TopicConfig,
        from connection: RemotingConnection, reply: RemotingReply
    ) {
        do {
            try accept(request, header: header, topic: topic, from: connection, reply: reply, isLast: true)
        } catch { Self.refuse(reply, .systemError, "\(error)") }
    }

    /// A refusal bears the marks that every answer to a send does.
    private static func refuse(_ reply: RemotingReply, _ code: ResponseCode, _ remark: String) {
        reply.send(
            RemotingCommand(code: code.rawValue, remark: remark, extFields: SendMessageResponseHeader.marks))
    }

    /// Checks the message against its topic and stores it.
    ///
    /// - Parameter isLast: whether the log's writer begins at once.
    private func accept(
        _ request: RemotingCommand, header: SendMessageRequestHeader, topic: TopicConfig,
        from connection: RemotingConnection, reply: RemotingReply, isLast: Bool
    ) throws {
        let body = request.body ?? ByteBuffer()
        guard !topic.order || context.live.withLock({ $0.permission.contains(.write) }) else {
            // Only ordered ones: others may still be sent here by producers that have not heard of it, as in RocketMQ.
            return Self.refuse(
                reply, .noPermission, "the broker[\(context.configuration.brokerName)] sending message is forbidden")
        }
        guard !SystemTopic.brokersOwn.contains(header.topic) else {
            return Self.refuse(reply, .noPermission, "Sending message to topic[\(header.topic)] is forbidden.")
        }
        guard topic.permission.contains(.write) else {
            return Self.refuse(
                reply, .noPermission,
                "the broker[\(context.configuration.brokerName)] does not accept messages for \(header.topic)")
        }
        let queues = max(topic.writeQueueNums, topic.readQueueNums)
        guard header.queueID < queues else {
            return Self.refuse(
                reply, .systemError, "queue \(header.queueID) of \(header.topic) is illegal, it has \(queues)")
        }
        var template = RecordDraft(
            topic: header.topic,
            queueID: header.queueID >= 0 ? header.queueID : .random(in: 0..<max(1, topic.writeQueueNums)),
            flag: header.flag, sysFlag: SysFlag(rawValue: header.sysFlag), bornTimestamp: header.bornTimestamp,
            bornHost: connection.remoteHost, storeHost: context.storeHost.withLock { $0 },
            reconsumeTimes: header.reconsumeTimes, body: body)
        if topic.filterType == "MULTI_TAG" { template.sysFlag.insert(.multipleTags) }
        let waits = MessageProperties.value(of: "WAIT", inText: header.properties) != "false"
        if header.batch || request.requestCode == .sendBatchMessage {
            try store(
                batch: body, template: template, outer: MessageProperties(text: header.properties), waits: waits,
                reply: reply, isLast: isLast)
        } else if MessageIntake.staysWhereItGoes(header) {
            template.properties = MessageProperties.spliced(
                header.properties, without: "WAIT", "CLUSTER", adding: "CLUSTER", context.configuration.clusterName)
            append(template, queueID: template.queueID, waits: waits, reply: reply, isLast: isLast)
        } else {
            store(
                template, properties: MessageProperties(text: header.properties), header: header, waits: waits,
                reply: reply, isLast: isLast)
        }
    }

    private func store(
        _ draft: RecordDraft, properties: MessageProperties, header: SendMessageRequestHeader, waits: Bool,
        reply: RemotingReply, isLast: Bool
    ) {
        var draft = draft
        var properties = properties
        properties[PropertyName.waitStoreMessageOK] = nil
        properties[PropertyName.cluster] = context.configuration.clusterName
        var topics: [(name: String, queues: Int32)] = []
        if header.topic.hasPrefix(SystemTopic.retryPrefix), let grave = grave(of: header) {
            (draft.topic, draft.queueID) = (grave, 0)
            topics.append((grave, 1))
        }
        let queueID = draft.queueID
        if properties[PropertyName.transactionPrepared] == "true" {
            MessageIntake.applyHalf(&draft, properties: &properties)
            topics.append((SystemTopic.half, 1))
        } else {
            MessageIntake.applyDelay(topic: &draft.topic, queueID: &draft.queueID, properties: &properties)
        }
        draft.properties = properties.encoded
        context.withTopics(topics) { [self, draft] isLater in
            append(draft, queueID: queueID, waits: waits, reply: reply, isLast: isLast || isLater)
        }
    }

    private func append(_ draft: RecordDraft, queueID: Int32, waits: Bool, reply: RemotingReply, isLast: Bool) {
        guard draft.properties.readableBytes <= MessageProperties.maximumEncodedBytes else {
            return Self.refuse(reply, .messageIllegal, "the properties have \(draft.properties.readableBytes) bytes")
        }
        append([draft], queueID: queueID, waits: waits, reply: reply, isLast: isLast)
    }

    /// A consumer that could not send a message back sends it itself; after the last retry it goes to the dead letters.
    private func grave(of header: SendMessageRequestHeader) -> String? {
        let group = String(header.topic.dropFirst(SystemTopic.retryPrefix.count))
        let configured = context.groups.withLock { $0[group]?.retryMaximum } ?? 16
        return header.reconsumeTimes >= header.maxReconsumeTimes ?? configured ? SystemTopic.deadLetter(group) : nil
    }

    private func store(
        batch: ByteBuffer, template: RecordDraft, outer: MessageProperties, waits: Bool, reply: RemotingReply,
        isLast: Bool
    ) throws {
        guard let items = BatchBody.decode(batch), !items.isEmpty else {
            return Self.refuse(reply, .messageIllegal, "the batch of \(batch.readableBytes) bytes cannot be split")
        }
        // RocketMQ adds the batch's own properties, WAIT included, to each of its messages.
        var outer = outer
        outer[PropertyName.cluster] = context.configuration.clusterName
        let suffix = outer.text
        let drafts = items.map { item in
            var draft = template
            draft.flag = item.flag
            draft.body = item.body
            draft.properties = item.properties
            let last = item.properties.getInteger(at: item.properties.writerIndex - 1, as: UInt8.self)
            if item.properties.readableBytes > 0, last != MessageProperties.entrySeparator {
                draft.properties.writeInteger(MessageProperties.entrySeparator)
            }
            draft.properties.writeString(suffix)
            return draft
        }
        if let longest = drafts.map(\.properties.readableBytes).max(), longest > MessageProperties.maximumEncodedBytes {
            return Self.refuse(reply, .messageIllegal, "the properties of a message have \(longest) bytes")
        }
        append(drafts, queueID: template.queueID, waits: waits, reply: reply, isLast: isLast)
    }

    private func append(_ drafts: [RecordDraft], queueID: Int32, waits: Bool, reply: RemotingReply, isLast: Bool) {
        let host = drafts[0].storeHost
        let start = MonotonicClock.nanoseconds()
        let bytes = drafts.reduce(0) { $0 + $1.encodedSize }
        let lastBytes = Int64(drafts.last?.encodedSize ?? 0)
        context.append(drafts, awaitsFlush: waits, isPatient: false, wakesWriter: isLast) {
            [context, topic = drafts[0].topic] outcome in
            let took = MonotonicClock.nanoseconds() - start
            context.metrics.putLatency.recordNanoseconds(took)
            func answer(_ receipt: AppendReceipt, isConfirmed: Bool) {
                context.countPuts(
                    topic, messages: receipt.logOffsets.count, bytes: bytes, tookNanoseconds: took)
                guard reply.isExpected else { return reply.send(.success) }
                let ids = receipt.logOffsets.map { OffsetMessageID(host: host, logOffset: $0).description }
                let fields = SendMessageResponseHeader(
                    messageID: ids.count == 1 ? ids[0] : ids.joined(separator: ","), queueID: queueID,
                    queueOffset: receipt.queueOffset
                ).fields
                let end = (receipt.logOffsets.last ?? 0) + lastBytes
                context.awaitCopy(of: end, isWanted: waits) { copy in
                    let code = StoreAnswers.code(isConfirmed: isConfirmed, copy: copy)
                    reply.send(
                        RemotingCommand(
                            code: code.rawValue, remark: StoreAnswers.remark(for: code), extFields: fields))
                }
            }
            switch outcome {
            case .stored(let receipt): answer(receipt, isConfirmed: true)
            case .unconfirmed(let receipt, _): answer(receipt, isConfirmed: false)
            case .refused(let error):
                context.metrics.putFailures.increment()
                if error.code == .overloaded { context.metrics.busy.increment() }
                Self.refuse(reply, StoreAnswers.code(for: error), "\(error)")
            }
        }
    }
}
