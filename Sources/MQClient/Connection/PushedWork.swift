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

    private struct State {
        /// The last one serves: of several members of one group on this client any may answer.
        var servers: [Key: [(token: Int, server: Server)]] = [:]
        var lastToken = 0
        var running = 0
    }

    private let state = Mutex(State())

    /// Requests that are being answered at most; beyond, they are refused, and asked again.
    static let limit = 256

    /// Serves from now on; the token ends it.
    func serve(_ code: RequestCode, of group: String, _ server: @escaping Server) -> Int {
        state.withLock { state in
            state.lastToken += 1
            state.servers[Key(code: code, group: group), default: []].append((state.lastToken, server))
            return state.lastToken
        }
    }

    func stop(_ tokens: [Int]) {
        state.withLock { state in
            for key in state.servers.keys { state.servers[key]?.removeAll { tokens.contains($0.token) } }
        }
    }

    /// Has the request answered by who serves it; `false` when nobody does.
    func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) -> Bool {
        guard let group = Self.group(of: request),
            let server = state.withLock({ state -> Server? in
                guard let server = state.servers[Key(code: request.requestCode, group: group)]?.last?.server,
                    state.running < Self.limit
                else { return nil }
                state.running += 1
                return server
            })
        else { return false }
        Task {
            reply.send(await server(request, connection))
            state.withLock { $0.running -= 1 }
        }
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
