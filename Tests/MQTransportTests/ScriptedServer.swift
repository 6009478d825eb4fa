import Logging
import MQTransport
import MQWire
import Synchronization

/// A request handler whose answers the test chooses, behind a real port.
final class ScriptedServer: RemotingRequestHandler {
    typealias Script = @Sendable (RemotingCommand, RemotingConnection, RemotingReply) -> Void

    private let script: Script
    private let state = Mutex((opened: 0, closed: 0, seen: [Int32]()))

    init(_ script: @escaping Script) { self.script = script }

    var opened: Int { state.withLock { $0.opened } }
    var closed: Int { state.withLock { $0.closed } }
    var seen: [Int32] { state.withLock { $0.seen } }

    func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
        state.withLock { $0.seen.append(request.code) }
        script(request, connection, reply)
    }

    func connectionOpened(_ connection: RemotingConnection) { state.withLock { $0.opened += 1 } }
    func connectionClosed(_ connection: RemotingConnection) { state.withLock { $0.closed += 1 } }
}

/// Replies that a script keeps for later.
final class HeldReplies: Sendable {
    private let replies = Mutex<[RemotingReply]>([])

    func hold(_ reply: RemotingReply) { replies.withLock { $0.append(reply) } }

    var count: Int { replies.withLock { $0.count } }

    var isEmpty: Bool { replies.withLock { $0.isEmpty } }

    func takeAll() -> [RemotingReply] {
        replies.withLock { replies in
            defer { replies = [] }
            return replies
        }
    }
}

let quiet = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
