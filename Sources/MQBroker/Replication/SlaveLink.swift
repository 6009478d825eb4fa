import Logging
import MQReplication
import MQStore
import MQTransport
import MQWire
import NIOCore
import Synchronization

/// A slave's dealings with its master beside the log: where it is, whether its log may be followed, and its tables.
struct SlaveLink: Sendable {
    let context: BrokerContext
    let slave: ReplicationSlave
    let siblings: Siblings
    let tables: TableCopy
    /// Stops the broker and starts it anew, on a log that is cut.
    let rejoin: @Sendable () -> Void

    /// The master's main address, once a nameserver has named it.
    private let master = MasterAddress()

    init(
        context: BrokerContext, slave: ReplicationSlave, siblings: Siblings, tables: TableCopy,
        rejoin: @escaping @Sendable () -> Void
    ) {
        self.rejoin = rejoin
        self.context = context
        self.slave = slave
        self.siblings = siblings
        self.tables = tables
    }

    /// Whether a nameserver has named a master.
    var knowsMaster: Bool { master.address.withLock { $0 != nil } }

    /// Takes a nameserver's word for where the master is; without one the old one is kept.
    func found(_ answer: RegisterBrokerResponseHeader) {
        guard let address = answer.masterAddress, let haAddress = answer.haServerAddress,
            let place = try? HostPort(haAddress),
            let target = try? SocketAddress(ipAddress: place.host, port: place.port)
        else { return }
        master.address.withLock { $0 = address }
        slave.follow(.init(address: target)) { answer in Task { answer(await admit()) } }
    }

    /// Asks the master, to which there is a link now, for its log; what of this one differs is cut before it is followed.
    private func admit() async -> ReplicationSlave.Admission {
        guard let address = master.address.withLock({ $0 }) else { return .refused("no nameserver names a master") }
        switch await siblings.log(of: address) {
        case .silent(let error): return .refused("it does not answer at \(address): \(error)")
        case .foreign:
            // RocketMQ's: it begins an empty slave with its last segment, and compares nothing.
            await refresh()
            return .follow(logStart: nil)
        case .log(let log):
            switch log.rejoining(segmentBytes: context.store.configuration.segmentBytes) {
            case .object(let reason): return .refused(reason)
            case .cut(let place):
                rejoin()
                return .refused("this log is another one from \(place) on, and is cut there")
            case .follow: break
            }
            if let failure = await siblings.adopt(log.master.epochs) { return .refused("\(failure)") }
            await refresh()
            return .follow(logStart: log.master.start)
        }
    }

    /// Takes over the master's tables.
    func refresh() async {
        guard let address = master.address.withLock({ $0 }) else { return }
        await tables.refresh(from: address)
    }
}

/// Takes over another broker's tables: topics, consumers' offsets, delays, groups.
struct TableCopy: Sendable {
    let context: BrokerContext
    let delays: DelaySchedule
    let client: RemotingClient

    private static let timeout = Duration.seconds(3)

    /// Makes one change of a table, or refuses it with ``Outdated``.
    typealias Permit = @Sendable (_ change: () throws -> Void) throws -> Void

    /// The other broker is followed no longer: what is here is this one's own, or another one's copy, and newer.
    struct Outdated: Error {}

    /// What fails is logged, and tried again by whoever asks again.
    ///
    /// - Parameter permit: is asked before each change, since an answer may be under way for seconds. While it makes the change, this
    ///   broker must not become the master: an offset that was committed with it would go back.
    func refresh(from address: String, permit: Permit = { change in try change() }) async {
        do {
            // The master's log went at least as far when it gave the table: what comes behind it may be of a new topic.
            let end = context.store.maximumLogOffset
            let topics = try await table(.getAllTopicConfig, at: address)
            try permit { try takeTopics(topics, logEnd: end) }
            try await takeDeletions(at: address, logEnd: end, permit)
            try await settleDoubts(at: address, permit)
            let offsets = ConsumerOffsetTable(json: try await table(.getAllConsumerOffset, at: address))
            try permit { context.offsets.withLock { $0.replace(with: offsets) } }
            let delays = try await table(.getAllDelayOffset, at: address)
            try permit { self.delays.replace(with: delays) }
            let groups = SubscriptionGroupTable(json: try await table(.getAllSubscriptionGroups, at: address))
            try permit { context.groups.withLock { $0.replace(with: groups) } }
        } catch is Outdated {
            context.logger.info(
                "another broker's tables came too late to be taken over", metadata: ["broker": "\(address)"])
        } catch {
            context.logger.warning(
                "another broker's tables could not be read", metadata: ["broker": "\(address)", "error": "\(error)"])
        }
    }

    private func takeTopics(_ json: JSONValue, logEnd: Int64) throws {
        let table = try TopicConfigTable(json: json)
        guard let gone = context.topics.withLock({ $0.replace(with: table) }) else { return }
        context.topicsDidChange()
        // Only what was known: a topic with messages and not in the table may be newer than the table.
        for topic in gone {
            context.store.deleteTopic(topic, before: logEnd) { [logger = context.logger] error in
                logger.info(
                    "a topic is gone from the master",
                    metadata: ["topic": "\(topic)", "error": "\(error.map { "\($0)" } ?? "none")"])
            }
        }
    }

    /// Deletes what the master deleted, at the same places of the log. RocketMQ's master does not tell them, and the log's
    /// numbers have to do.
    ///
    /// - Parameter logEnd: where the log ended before the question: what was found of a deletion behind it is newer than the
    ///   answer.
    private func takeDeletions(at address: String, logEnd: Int64, _ permit: Permit) async throws {
        let answer = try await client.call(.request(.getDeletedTopics), to: address, timeout: Self.timeout)
        guard answer.responseCode == .success else { return }
        let table = try TextTable(json: JSONValue(parsing: answer.body ?? ByteBuffer()))
        let (start, known) = (context.store.minimumLogOffset, context.store.deletedTopics)
        for (topic, text) in table.texts.sorted(by: { $0.key < $1.key }) {
            guard let offset = Int64(text), offset > start, offset <= logEnd, known[topic] ?? 0 <= logEnd,
                known[topic] != offset
            else { continue }
            try permit {
                context.store.deleteTopic(topic, before: offset) { [logger = context.logger] error in
                    logger.info(
                        "a topic was deleted on the master",
                        metadata: [
                            "topic": "\(topic)", "logEnd": "\(offset)",
                            "error": "\(error.map { "\($0)" } ?? "none")",
                        ])
                }
            }
        }
    }

    /// Asks whether topics were made anew of which the log alone cannot say so: then their queues end no later than here.
    private func settleDoubts(at address: String, _ permit: Permit) async throws {
        for (key, end) in context.store.doubtedBeginnings.prefix(Self.mostDoubts) {
            let question = RemotingCommand.request(
                .getMaxOffset, QueueRequestHeader(topic: key.topic, queueID: key.queueID))
            let answer = try await client.call(question, to: address, timeout: Self.timeout)
            guard let theirs = answer.extFields["offset"].flatMap({ Int64($0) }), theirs <= end else { continue }
            try permit {
                context.store.believeDoubts(of: key.topic) { [logger = context.logger] error in
                    logger.info(
                        "a topic was made anew on the master",
                        metadata: ["topic": "\(key.topic)", "error": "\(error.map { "\($0)" } ?? "none")"])
                }
            }
        }
    }

    /// The queues that are asked for in one round; the others are in the next ones.
    private static let mostDoubts = 64

    private func table(_ code: RequestCode, at address: String) async throws -> JSONValue {
        let answer = try await call(code, at: address)
        return try JSONValue(parsing: answer.body ?? ByteBuffer())
    }

    private func call(_ code: RequestCode, at address: String) async throws -> RemotingCommand {
        let answer = try await client.call(
            RemotingCommand(code: code.rawValue), to: address, timeout: Self.timeout)
        guard answer.responseCode == .success else {
            throw LinkRefusal(description: "\(code) was answered with \(answer.code): \(answer.remark ?? "")")
        }
        return answer
    }

    private struct LinkRefusal: Error, CustomStringConvertible {
        var description: String
    }
}

/// Where the master was last said to be.
private final class MasterAddress: Sendable {
    let address = Mutex<String?>(nil)
}
