import Glibc
import Logging
import MQStore
import NIOCore
import Synchronization

/// A master's end of one slave's connection: a thread that hears its reports, and one that sends it the log.
final class SlaveConnection: Sendable {
    private let socket: StreamSocket
    private let store: MessageStore
    private let configuration: ReplicationMaster.Configuration
    private let logger: Logger
    private let reported: @Sendable (Replica?, Int64) -> Void
    /// Why whoever connected is not sent the log now; asked once, with what it says of itself.
    private let objection: @Sendable (FollowerHello?) -> String?
    private let ended: @Sendable () -> Void
    private let peer: String
    /// Where the slave wants the log from, once it has said so; less than 0 before.
    private let beginning = WaitableMutex(Start())
    private let lastReport = Atomic<Int64>(-1)
    private let sent = Atomic<Int64>(0)
    private let threads = Mutex<[StoreThread]>([])

    private struct Start {
        var offset: Int64?
        /// Who the slave is, if it has said so.
        var replica: Replica?
        var isOver = false
    }

    init(
        _ socket: StreamSocket, store: MessageStore, configuration: ReplicationMaster.Configuration, logger: Logger,
        objection: @escaping @Sendable (FollowerHello?) -> String?,
        reported: @escaping @Sendable (Replica?, Int64) -> Void, ended: @escaping @Sendable () -> Void
    ) {
        self.objection = objection
        self.socket = socket
        self.store = store
        self.configuration = configuration
        self.reported = reported
        self.ended = ended
        peer = socket.peer
        var logger = logger
        logger[metadataKey: "slave"] = "\(socket.peer)"
        self.logger = logger
    }

    var status: ReplicationMaster.Slave {
        let report = lastReport.load(ordering: .relaxed)
        return ReplicationMaster.Slave(
            address: peer, reportedOffset: report < 0 ? nil : report, sentOffset: sent.load(ordering: .relaxed))
    }

    /// Starts both threads.
    func start() {
        logger.info("a slave has connected")
        socket.setTimeout(SO_RCVTIMEO, milliseconds: configuration.silenceMilliseconds)
        // A slave that takes nothing for so long is as gone as one that says nothing.
        socket.setTimeout(SO_SNDTIMEO, milliseconds: configuration.silenceMilliseconds)
        threads.withLock {
            $0 = [
                StoreThread(name: "ha-reports") { [self] in
                    let reason = hear()
                    logger.info("a slave has left", metadata: ["reason": "\(reason)"])
                    end()
                    ended()
                },
                StoreThread(name: "ha-sender") { [self] in
                    if let reason = send() { logger.warning("a slave is let go", metadata: ["reason": "\(reason)"]) }
                    end()
                },
            ]
        }
    }

    /// Has both threads come to their ends.
    func end() {
        beginning.withLockAndWake { $0.isOver = true }
        socket.shut()
        store.wakeLogWaiters()
    }

    /// Waits for them.
    func join() { for thread in threads.withLock({ $0 }) { thread.join() } }

    /// Hears reports until the slave is gone; says why it is.
    private func hear() -> String {
        var unread = ByteBuffer()
        while true {
            do throws(StreamSocket.Failure) {
                var bytes = try socket.receive(atMost: 4096)
                if bytes.readableBytes == 0 { return "it closed the connection" }
                unread.writeBuffer(&bytes)
            } catch {
                if error.code == EAGAIN { return "it said nothing for \(configuration.silenceMilliseconds) ms" }
                return "\(error)"
            }
            // Each report says all that the ones before said.
            var last: Int64?
            while let report = unread.getInteger(at: unread.readerIndex, as: Int64.self) {
                if report == FollowerHello.mark, beginning.withLock({ $0.offset == nil }) {
                    var rest = unread
                    rest.moveReaderIndex(forwardBy: HAFrame.reportBytes)
                    guard let hello = FollowerHello(after: &rest) else { break }
                    unread = rest
                    if let reason = begin(at: hello.start, hello) { return reason }
                    continue
                }
                unread.moveReaderIndex(forwardBy: HAFrame.reportBytes)
                if beginning.withLock({ $0.offset == nil }) {
                    let start = HAFrame.start(
                        report: report, logEnd: store.maximumLogOffset, segmentBytes: store.configuration.segmentBytes)
                    if let reason = begin(at: start, nil) { return reason }
                }
                if report >= 0 { last = report }
            }
            unread.discardReadBytes()
            guard var last else { continue }
            guard last <= store.maximumLogOffset else {
                return "it says to have \(last), and this master's log ends at \(store.maximumLogOffset)"
            }
            // Two threads of a slave report: the smaller one of two may come later.
            last = max(last, lastReport.load(ordering: .relaxed))
            lastReport.store(last, ordering: .relaxed)
            reported(beginning.withLock { $0.replica }, last)
        }
    }

    /// Begins to send the log from a place; why not, when that cannot be.
    private func begin(at start: Int64, _ hello: FollowerHello?) -> String? {
        let end = store.maximumLogOffset
        if let reason = objection(hello) { return reason }
        guard start <= end else { return "its log ends at \(start), and this master's at \(end)" }
        guard start >= store.minimumLogOffset else {
            return "it wants the log from \(start), which begins at \(store.minimumLogOffset) here; "
                + "empty its store to have it begin anew"
        }
        beginning.withLockAndWake { ($0.offset, $0.replica) = (start, hello?.replica) }
        return nil
    }

    /// Sends the log until the slave is gone; says why it is, where that is news.
    private func send() -> String? {
        let start = beginning.wait(until: { $0.offset != nil || $0.isOver }) { $0.isOver ? nil : $0.offset }
        guard var next = start else { return nil }
        while !beginning.withLock({ $0.isOver }) {
            let end = store.waitForLog(beyond: next, atMostMilliseconds: configuration.heartbeatMilliseconds) {
                beginning.withLock { $0.isOver }
            }
            do {
                if end > next {
                    let bytes = try store.readLog(
                        from: next, maximumBytes: min(configuration.batchBytes, HAFrame.maximumBytes))
                    guard bytes.readableBytes > 0 else { return "the log has nothing at \(next)" }
                    try socket.send(HAFrame.head(logOffset: next, size: bytes.readableBytes), bytes)
                    next += Int64(bytes.readableBytes)
                    sent.store(next, ordering: .relaxed)
                } else {
                    try socket.send(HAFrame.head(logOffset: next, size: 0))
                }
            } catch {
                return beginning.withLock { $0.isOver } ? nil : "\(error)"
            }
        }
        return nil
    }
}
