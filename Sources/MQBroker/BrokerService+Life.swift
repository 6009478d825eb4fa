import Logging
import MQMetrics
import MQStore
import MQTransport
public import NIOCore
import Synchronization

/// What a broker consists of while it serves.
final class Running: Sendable {
    let context: BrokerContext
    let dispatcher: RequestDispatcher
    let pull: PullProcessor
    let delays: DelaySchedule
    let parts = Mutex(Parts())

    /// What has to be ended, in the order in which it came.
    struct Parts: Sendable {
        var servers: [RemotingServer] = []
        var metricsServer: MetricsServer?
        var client: RemotingClient?
        var registration: Registration?
        var rounds: RegistrationRounds?
        var chores: [RepeatedTask] = []
        /// On a slave whose master is fixed.
        var slaveLink: SlaveLink?
    }

    init(_ context: BrokerContext, _ dispatcher: RequestDispatcher, _ pull: PullProcessor, _ delays: DelaySchedule) {
        self.context = context
        self.dispatcher = dispatcher
        self.pull = pull
        self.delays = delays
    }
}

/// Starting, stopping, and starting anew on a log that has to be cut.
extension BrokerService {
    /// Where a broker is between its start and its end, and what there is of it then.
    enum Life: Sendable {
        /// It was never started, or its stop is over. → starting
        case idle
        /// It recovers its store and opens its ports; requests may come in once there is somebody to handle them. → running,
        /// idle
        case starting(Running?)
        /// It serves. → stopping
        case running(Running)
        /// It takes nothing in any more. Who handled what came last still has to be told that this was all of it: it may have
        /// been taken in right before. → idle
        case stopping(RequestDispatcher)

        var running: Running? {
            switch self {
            case .starting(let running): running
            case .running(let running): running
            case .idle, .stopping: nil
            }
        }

        var dispatcher: RequestDispatcher? {
            switch self {
            case .starting(let running): running?.dispatcher
            case .running(let running): running.dispatcher
            case .stopping(let dispatcher): dispatcher
            case .idle: nil
            }
        }
    }

    /// A broker's life, and what is to become of it.
    struct Course: Sendable {
        var life = Life.idle
        /// Whether its owner has started it and not stopped it.
        var isWanted = false
        /// It stops to start anew.
        var restart: Task<Void, Never>?
    }

    /// Recovers the store, listens, and registers in the background; gives the address of the main port.
    ///
    /// - Throws: ``MQStore/StoreError`` or ``MQTransport/TransportError``.
    @discardableResult
    public func start() async throws -> SocketAddress {
        course.withLock { $0.isWanted = true }
        return try await begin(cut: nil)
    }

    /// Unregisters, answers what was asked, closes the ports, saves the tables and closes the store cleanly.
    ///
    /// A send whose message is stored is answered before its connection ends; one that comes now is refused.
    public func shutdown() async {
        let restart = course.withLock { course in
            course.isWanted = false
            return course.restart
        }
        await restart?.value
        await end()
    }

    /// Stops and starts on the same ports: a log is cut only while its store is closed.
    ///
    /// Returns at once. Asked for again while it is under way, or when the broker is to stop, it does nothing.
    ///
    /// - Parameter cut: where the log is to end, what is behind being kept aside already; `nil` has the start look for it.
    func rejoin(cut: Int64? = nil) {
        course.withLock { course in
            guard course.isWanted, course.restart == nil else { return }
            course.restart = Task { [self] in
                await end()
                if self.course.withLock({ $0.isWanted }) {
                    do { try await begin(cut: cut) } catch {
                        logger.critical("the broker could not start anew", metadata: ["error": "\(error)"])
                        failed.yield(error)
                    }
                }
                self.course.withLock { $0.restart = nil }
            }
        }
    }

    /// What an answer may still need when the broker stops, beside a flush: scheduling on a busy machine.
    private static let stopMargin = Duration.seconds(1)

    private func end() async {
        let stopped = course.withLock { course -> Running? in
            guard let running = course.life.running else { return nil }
            course.life = .stopping(running.dispatcher)
            return running
        }
        guard let stopped else { return }
        let context = stopped.context
        let parts = stopped.parts.withLock { $0 }
        for chore in parts.chores { chore.cancel() }
        stopped.delays.stop()
        parts.rounds?.stop()
        parts.registration?.watch?.stop()
        await parts.registration?.unregisterEverywhere()
        stopped.pull.stop()
        await context.group.withLock { $0 }?.stop()
        await context.lanes.tables.run { context.replication.stop() }
        let patience = Duration.milliseconds(configuration.syncFlushTimeoutMilliseconds) + Self.stopMargin
        await withDiscardingTaskGroup { group in
            for server in parts.servers { group.addTask { await server.shutdown(patience: patience) } }
        }
        await parts.client?.shutdown()
        await parts.metricsServer?.shutdown()
        // The event loops are free of this broker now; what follows blocks a thread of the disk's.
        await context.lanes.tables.run { [logger] in
            context.saveTopics()
            context.saveOffsetsAndGroups()
            stopped.delays.save()
            StoreLog(logger: logger).tellClosed(isClean: context.store.close())
        }
        await context.lanes.stop()
        course.withLock { $0.life = .idle }
    }
}
