import Logging
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization

/// A broker that misbehaves, by a stand-in at the wire: it passes every frame to a real broker and back, except for
/// what its mischief changes. A second one stands before the nameserver and says that the broker is where the first is.
///
/// Fault model: one mischief at a time, applied to every `every`-th frame that it concerns, from the first on.
/// Frames are never reordered or delayed by it, connections never cut.
final class WireDouble: RemotingRequestHandler {
    enum Mischief: Sendable {
        /// Passes everything as it is.
        case none
        /// Stores a message twice and acknowledges it once.
        case storeTwice
        /// Acknowledges a message and stores it under a topic that nobody reads.
        case swallow
        /// Refuses a message in so many words, and stores it.
        case refuseAndStore
        /// Alters a byte of a body on its way to the consumer.
        case corrupt(marker: [UInt8])
        /// Gives every message of a pull twice.
        case deliverTwice
        /// Acknowledges a message at an offset far from the one at which it is stored.
        case misplace
        /// Cuts a pull's answer in the middle of its last record.
        case garble
        /// Answers a pull of a live reader with nothing, and sends the reader past what it should have got.
        case skipLive
        /// Never tells where a queue ends.
        case hideEnds
    }

    static let forwardTimeout = Duration.seconds(40)

    private let target: String
    private let mischief: Mischief
    private let every: Int
    /// Text to replace in route answers: the real broker's address, and the double's.
    private let reroute: (from: String, to: String)?
    private let client: RemotingClient
    private let seen = Atomic<Int>(0)
    private let done = Atomic<Int>(0)
    /// Requests that wait for ever: a reply that is dropped would answer for itself.
    private let unanswered = Mutex<[RemotingReply]>([])

    init(
        target: String, mischief: Mischief, every: Int = 10, reroute: (from: String, to: String)? = nil,
        group: any EventLoopGroup
    ) {
        self.target = target
        self.mischief = mischief
        self.every = every
        self.reroute = reroute
        client = RemotingClient(group: group, logger: Logger(label: "wire-double"))
    }

    /// How often the mischief was done: a control whose mischief never struck proves nothing.
    var strikes: Int { done.load(ordering: .relaxed) }

    func shutdown() async {
        unanswered.withLock { $0.removeAll() }
        await client.shutdown()
    }

    func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
        let isSend = [.sendMessage, .sendMessageV2, .sendBatchMessage].contains(request.requestCode)
        switch mischief {
        case .storeTwice where isSend && strikesNow():
            client.future(request, to: target, timeout: Self.forwardTimeout).whenComplete { _ in
                self.forward(request, reply)
            }
        case .swallow where isSend && strikesNow():
            var diverted = request
            for field in ["topic", "b"] where diverted.extFields[field] != nil {
                diverted.extFields[field] = "swallowed"
            }
            forward(diverted, reply)
        case .refuseAndStore where isSend && strikesNow():
            client.future(request, to: target, timeout: Self.forwardTimeout).whenComplete { _ in
                reply.send(.systemBusy, remark: "refused, it says")
            }
        case .hideEnds where request.requestCode == .getMaxOffset:
            done.add(1, ordering: .relaxed)
            unanswered.withLock { $0.append(reply) }
        case .corrupt, .deliverTwice, .garble, .skipLive:
            forward(request, reply) { self.tamper($0, of: request) }
        case .misplace where isSend && strikesNow():
            forward(request, reply) { answer in
                var answer = answer
                answer.extFields["queueOffset"] = answer.extFields["queueOffset"].flatMap { Int64($0) }.map {
                    "\($0 + Self.misplacement)"
                }
                return answer
            }
        case .none, .storeTwice, .swallow, .refuseAndStore, .misplace, .hideEnds:
            forward(request, reply)
        }
    }

    /// Past the end of any control's queue, so that no other message stands there.
    static let misplacement: Int64 = 1_000_000

    private func strikesNow() -> Bool {
        guard seen.add(1, ordering: .relaxed).oldValue % every == 0 else { return false }
        done.add(1, ordering: .relaxed)
        return true
    }

    private func forward(
        _ request: RemotingCommand, _ reply: RemotingReply,
        _ change: @escaping @Sendable (RemotingCommand) -> RemotingCommand = { $0 }
    ) {
        client.future(request, to: target, timeout: Self.forwardTimeout).whenComplete { result in
            switch result {
            case .success(let answer): reply.send(change(self.rerouted(answer)))
            case .failure(let error): reply.send(.systemError, remark: "\(error)")
            }
        }
    }

    private func rerouted(_ answer: RemotingCommand) -> RemotingCommand {
        guard let reroute, let body = answer.body else { return answer }
        let text = String(buffer: body)
        guard text.contains(reroute.from) else { return answer }
        var answer = answer
        answer.body = ByteBuffer(
            string: text.split(separator: reroute.from, omittingEmptySubsequences: false).joined(separator: reroute.to))
        return answer
    }

    private func tamper(_ answer: RemotingCommand, of request: RemotingCommand) -> RemotingCommand {
        guard request.requestCode == .pullMessage, answer.responseCode == .success, var body = answer.body else {
            return answer
        }
        var answer = answer
        switch mischief {
        case .corrupt(let marker):
            let bytes = Array(body.readableBytesView)
            guard let place = bytes.firstRange(of: marker)?.upperBound, place + 20 < bytes.count, strikesNow() else {
                return answer
            }
            body.setInteger(bytes[place + 20] ^ 0x01, at: body.readerIndex + place + 20)
            answer.body = body
        case .deliverTwice:
            guard strikesNow() else { return answer }
            var twice = body
            twice.writeImmutableBuffer(body)
            answer.body = twice
        case .garble:
            guard body.readableBytes > 40, strikesNow() else { return answer }
            answer.body = body.getSlice(at: body.readerIndex, length: body.readableBytes - 20)
        case .skipLive:
            let isDrain = request.extFields["consumerGroup"]?.hasSuffix("-drain") ?? false
            guard !isDrain, strikesNow() else { return answer }
            // "Nothing for you here, go on there": what lies between is never given.
            answer.code = ResponseCode.pullRetryImmediately.rawValue
            answer.body = nil
        case .none, .storeTwice, .swallow, .refuseAndStore, .misplace, .hideEnds:
            break
        }
        return answer
    }
}
