import MQTransport
import MQWire
import Synchronization

/// What the members of this client's groups do when a broker asks: one server for each request and group.
final class PushedWork: Sendable {
    /// Answers a request; without an answer it stays refused.
    typealias Server = @Sendable (RemotingCommand, RemotingConnection) async -> RemotingCommand

    private struct Key: Hashable {
        let code: RequestCode
        let group: String
    }

    private let servers = Mutex<[Key: Server]>([:])

    func serve(_ code: RequestCode, of group: String, _ server: @escaping Server) {
        servers.withLock { $0[Key(code: code, group: group)] = server }
    }

    func stop(_ codes: [RequestCode], of group: String) {
        servers.withLock { servers in for code in codes { servers[Key(code: code, group: group)] = nil } }
    }

    /// Has the request answered by who serves it; `false` when nobody does.
    func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) -> Bool {
        guard let group = Self.group(of: request),
            let server = servers.withLock({ $0[Key(code: request.requestCode, group: group)] })
        else { return false }
        Task { reply.send(await server(request, connection)) }
        return true
    }

    /// Which group is meant: each request says so in its own way.
    private static func group(of request: RemotingCommand) -> String? {
        switch request.requestCode {
        case .resetConsumerClientOffset, .getConsumerStatusFromClient: request.extFields["group"]
        case .getConsumerRunningInfo, .consumeMessageDirectly: request.extFields["consumerGroup"]
        case .checkTransactionState:
            PushedTransaction(request)?.record.properties[PropertyName.producerGroup]
        default: nil
        }
    }
}

/// A half message that a broker asks about.
struct PushedTransaction {
    let header: CheckTransactionStateRequestHeader
    let record: StoredRecord

    /// Reads request 39; `nil` when it is none.
    init?(_ request: RemotingCommand) {
        guard let header = try? CheckTransactionStateRequestHeader(fields: request.extFields), var body = request.body,
            case .record(let record) = StoredRecord.read(from: &body)
        else { return nil }
        self.header = header
        self.record = record
    }
}
