import Logging
import MQTransport
import MQWire
import NIOCore

/// What became of a local transaction.
public enum TransactionOutcome: String, Sendable, Hashable {
    /// It is done: its message shall be delivered.
    case commit
    /// It is undone: its message shall never be.
    case rollback
    /// That is not known yet: the broker asks again, every minute by default, and gives up after the fifteenth time.
    case unknown

    var sysFlag: SysFlag {
        switch self {
        case .commit: .transactionCommit
        case .rollback: .transactionRollback
        case .unknown: []
        }
    }
}

/// A message that was sent within a transaction.
public struct TransactionReceipt: Sendable, Equatable {
    /// Where the half message lies.
    public let half: SendReceipt
    /// What the local transaction said; ``TransactionOutcome/rollback`` when it was not begun.
    public let outcome: TransactionOutcome
    /// Whether the broker has taken it, as well as its mode promises. If not, it may ask, and the check answers.
    public let isConfirmed: Bool
}

/// Sends messages that are delivered exactly if a local transaction is done.
///
/// 1. The message is stored where no consumer sees it.
/// 2. The local transaction runs.
/// 3. Its outcome is told to the broker, which delivers the message or forgets it.
///
/// Whoever dies in between is asked about the message through the check, by any member of the group: it must find the
/// outcome in what the local transaction left behind, and not in memory. <doc:Transactions> shows it at work.
public actor TransactionProducer {
    /// What became of a local transaction, by its message.
    public typealias Check = @Sendable (ReceivedMessage) async throws -> TransactionOutcome

    /// The group, which brokers ask about its transactions.
    public nonisolated let group: String
    private let producer: Producer
    private let client: MQConnection
    private let served: PushedWork.Token

    /// Checks at once: a broker asks for all that is due in one go, and each check is a look into a database.
    static let checkLimit = 20

    /// A producer of a group; all its members must be able to answer `check` for each other's messages. From now on any
    /// broker may ask, also about messages of members that are gone.
    ///
    /// - Parameter group: of all producers that can answer.
    /// - Parameter client: the way to the cluster.
    /// - Parameter avoidsSlowBrokers: as for ``Producer``.
    /// - Parameter check: an error counts as ``TransactionOutcome/unknown``.
    public init(group: String, client: MQConnection, avoidsSlowBrokers: Bool = false, check: @escaping Check) {
        self.group = group
        self.client = client
        producer = Producer(group: group, client: client, avoidsSlowBrokers: avoidsSlowBrokers)
        let gate = Gate(places: Self.checkLimit)
        served = client.pushed.serve(.checkTransactionState, of: group) {
            [logger = client.logger] request, connection in
            await gate.enter()
            await Self.answer(request, of: group, through: connection, logger: logger, check: check)
            gate.leave()
            return request.response()
        }
        client.answersForTransactions(group)
    }

    /// Stores the message unseen, runs the transaction, and tells the broker its outcome.
    ///
    /// - Parameter message: the message.
    /// - Parameter queue: where it shall go; the producer chooses when `nil`.
    /// - Parameter transaction: begins once the message is stored as well as the broker's mode promises. An error counts
    ///   as ``TransactionOutcome/unknown``, and is thrown when all else is done: only the check knows.
    /// - Parameter attempts: how often storing may be tried; a half message that was stored twice is asked for twice.
    /// - Throws: as ``Producer/send(_:to:attempts:)`` when the half message was not stored, and what `transaction` throws.
    public func send(
        _ message: Message, to queue: MessageQueue? = nil, attempts: Int = 1,
        transaction: @Sendable (SendReceipt) async throws -> TransactionOutcome
    ) async throws -> TransactionReceipt {
        let half = try await producer.sendHalf(message, to: queue, attempts: attempts)
        var outcome = TransactionOutcome.rollback
        var trouble: (any Error)?
        if half.status == .ok {
            do {
                outcome = try await transaction(half)
            } catch {
                outcome = .unknown
                trouble = error
            }
        }
        let isConfirmed = await end(half, outcome)
        if let trouble { throw trouble }
        return TransactionReceipt(half: half, outcome: outcome, isConfirmed: isConfirmed)
    }

    /// Takes the producer from its group: the group's other members are asked from now on.
    public func shutdown() async {
        client.pushed.stop([served])
        await producer.shutdown()
    }

    private func end(_ half: SendReceipt, _ outcome: TransactionOutcome) async -> Bool {
        guard outcome != .unknown, let place = OffsetMessageID(half.offsetMessageID) else { return false }
        let header = EndTransactionRequestHeader(
            producerGroup: group, tranStateTableOffset: half.queueOffset, commitLogOffset: place.logOffset,
            commitOrRollback: outcome.sysFlag.rawValue, messageID: half.messageID, transactionID: half.messageID)
        do throws(MQClientError) {
            let answer = try await client.call(.request(.endTransaction, header), to: half.brokerAddress)
            return answer.responseCode == .success
        } catch {
            client.logger.info(
                "the end of a transaction was not taken; its broker will ask", metadata: ["error": "\(error)"])
            return false
        }
    }

    private static func answer(
        _ request: RemotingCommand, of group: String, through connection: RemotingConnection, logger: Logger,
        check: Check
    ) async {
        guard let asked = PushedTransaction(request) else { return }
        let properties = asked.record.properties
        let queue = MessageQueue(topic: asked.record.topic, brokerName: "", queueID: asked.record.queueID)
        var outcome = TransactionOutcome.unknown
        do {
            outcome = try await check(ReceivedMessage(asked.record, queue: queue))
        } catch {
            logger.warning("a transaction's check failed", metadata: ["error": "\(error)"])
        }
        let header = EndTransactionRequestHeader(
            producerGroup: group, tranStateTableOffset: asked.header.tranStateTableOffset,
            commitLogOffset: asked.header.commitLogOffset, commitOrRollback: outcome.sysFlag.rawValue,
            fromTransactionCheck: true, messageID: asked.header.messageID,
            transactionID: asked.header.transactionID ?? properties[PropertyName.uniqueKey])
        guard !connection.notify(.request(.endTransaction, header)) else { return }
        logger.info("the answer to a check could not be sent; its broker will ask again")
    }
}
