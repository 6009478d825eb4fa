public import MQWire
import Synchronization

/// The right to answer one request, once, from any thread.
///
/// Dropped without an answer, it answers for itself: a peer is never left with silence. Answers to one-way requests
/// go nowhere, so handlers need not distinguish.
public final class RemotingReply: Sendable {
    private let connection: RemotingConnection
    private let request: RemotingCommand
    /// The frame's length, which the connection holds until the answer.
    private let bytes: Int
    private let isAnswered = Atomic(false)

    init(connection: RemotingConnection, request: RemotingCommand, bytes: Int) {
        self.connection = connection
        self.bytes = bytes
        // Only the pairing is kept: the body would hold the whole read buffer in memory.
        self.request = RemotingCommand(
            code: request.code, opaque: request.opaque, flag: request.flag, serializeType: request.serializeType)
    }

    /// Whether the peer waits for an answer.
    public var isExpected: Bool { !request.isOneWay }

    /// Sends the answer. Opaque, flag and encoding are taken from the request, whatever `response` says. A second
    /// answer is dropped.
    public func send(_ response: RemotingCommand) {
        guard !isAnswered.exchange(true, ordering: .acquiringAndReleasing) else { return }
        var response = response
        response.opaque = request.opaque
        response.flag = 1
        response.serializeType = request.serializeType
        connection.finish(response, isOneWay: request.isOneWay, bytes: bytes)
    }

    /// Answers with a code, a remark and nothing else.
    public func send(_ code: ResponseCode, remark: String? = nil) {
        send(request.response(code, remark: remark))
    }

    /// Makes the answer on a thread that may block, as soon as the peer has taken enough of the answers before it.
    ///
    /// - Parameters:
    ///   - worker: whose threads these are; work of several kinds does not wait for each other.
    ///   - work: makes and sends the answer, or leaves that for later.
    public func produce(
        on worker: any BlockingWorker, _ work: @escaping @Sendable (WorkTurn) -> Void
    ) {
        connection.produce(on: worker, work)
    }

    deinit {
        guard !isAnswered.load(ordering: .acquiring) else { return }
        connection.finish(
            request.response(.systemError, remark: "request \(request.requestCode) was dropped without an answer"),
            isOneWay: request.isOneWay, bytes: bytes)
    }
}
