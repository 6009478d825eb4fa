import Logging
public import NIOCore
import Synchronization

/// Starting, stopping, and starting anew on a log that has to be cut.
extension BrokerService {
    /// Where a broker is between its start and its end.
    enum Life: Sendable {
        /// It was never started, or runs. → rejoining, over
        case settled
        /// It stops to start anew. → settled, over
        case rejoining(Task<Void, Never>)
        /// It was stopped. → settled, by another start
        case over

        var isOver: Bool { if case .over = self { true } else { false } }
    }

    /// Recovers the store, listens, and registers in the background; gives the address of the main port.
    ///
    /// - Throws: ``MQStore/StoreError`` or ``MQTransport/TransportError``.
    @discardableResult
    public func start() async throws -> SocketAddress {
        life.withLock { $0 = .settled }
        return try await begin()
    }

    /// Unregisters, answers what was asked, closes the ports, saves the tables and closes the store cleanly.
    ///
    /// A send whose message is stored is answered before its connection ends; one that comes now is refused.
    public func shutdown() async {
        let rejoining: Task<Void, Never>? = life.withLock { life in
            defer { life = .over }
            if case .rejoining(let task) = life { return task }
            return nil
        }
        await rejoining?.value
        await end()
    }

    /// Stops and starts on the same ports: a log is cut only while its store is closed, and the start sees to it.
    ///
    /// Returns at once. Asked for again while it is under way, or when the broker is to stop, it does nothing.
    func rejoin() {
        life.withLock { life in
            guard case .settled = life else { return }
            life = .rejoining(
                Task { [self] in
                    await end()
                    if self.life.withLock({ $0.isOver }) { return }
                    do { try await begin() } catch {
                        logger.critical("the broker could not start anew", metadata: ["error": "\(error)"])
                        failed.yield(error)
                    }
                    self.life.withLock { if case .rejoining = $0 { $0 = .settled } }
                })
        }
    }
}
