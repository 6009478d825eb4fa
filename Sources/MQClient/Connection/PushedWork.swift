import MQTransport
import MQWire
import Synchronization

/// What the members of this client's groups do when a broker asks: one server for each request and group.
final class PushedWork: Sendable {
    /// Answers a request; without an answer it stays refused.
    typealias Server = @Sendable (RemotingCommand, RemotingConnection) async -> RemotingCommand

    /// What ``serve(_:of:_:)`` gives, to end it by.
    struct Token: Sendable {
        fileprivate let key: Key
        fileprivate let number: UInt64
    }

    fileprivate struct Key: Hashable, Sendable {
        let code: RequestCode
        let group: String
    }

    private struct State {
        var servers: [Key: [(number: UInt64, server: Server)]] = [:]
        var last: UInt64 = 0
        var running = 0
    }

    /// Requests that are being answered at most; beyond, they are refused, and asked again.
    static let limit = 256

    private let state = Mutex(State())

    /// Has requests of a group answered. Of several members of one group here the last that came answers, and when it
    /// is gone the one before.
    func serve(_ code: RequestCode, of group: String, _ server: @escaping Server) -> Token {
        let key = Key(code: code, group: group)
        return state.withLock { state in
            state.last += 1
            state.servers[key, default: []].append((state.last, server))
            return Token(key: key, number: state.last)
        }
    }

    /// Ends what these tokens were given for, and nothing else.
    func stop(_ tokens: [Token]) {
        state.withLock { state in
            for token in tokens {
                state.servers[token.key]?.removeAll { $0.number == token.number }
                if state.servers[token.key]?.isEmpty == true { state.servers[token.key] = nil }
            }
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
