import Logging
import MQReplication
import MQStore
import MQTransport
import MQWire

/// A broker's store, open and in accord with what the others of its name have.
struct OpenedStore: Sendable {
    let store: MessageStore
    let epochs: EpochRecord
    /// What was cut from the log, by this start and by earlier ones.
    let cuts: [LogCut]
    /// Who this broker is in a group that may change its master; `nil` in one that may not.
    let replica: Replica?
}

/// Opens a store; once more, and shorter, when another broker of its name has a better end of the log.
///
/// 1. The end is damaged, and another broker has all of it.
/// 2. This is a slave whose master's group went on without the end: it is kept aside first. Where it cannot be kept the log
///    stays as it is, and the master is not followed. In a group that may change its master this was done before
///    (``GroupShell``).
struct StoreOpening {
    let configuration: BrokerConfiguration
    let lanes: WorkLanes
    let client: RemotingClient
    let logger: Logger
    /// Where the log is to be cut whatever is found: what is behind is kept aside.
    let cut: Int64?
    /// Whether the last stop left everything on the disk, as is known before the store is opened.
    let wasCleanStop: Bool
    /// Opens it, with the log cut at an offset.
    let open: (_ cut: Int64?) throws -> MessageStore

    private var changesMaster: Bool { configuration.failover.policy != .none }

    func run() async throws -> OpenedStore {
        var store = try open(cut)
        do {
            let epochs = try EpochRecord(root: store.configuration.root)
            let siblings = Siblings(
                configuration: configuration, store: store, epochs: epochs, lanes: lanes, client: client, logger: logger
            )
            var place = cut == nil ? await siblings.placeToCut() : nil
            let isDamaged = place != nil || !store.recovery.damagedOffsets.isEmpty
            if place == nil, configuration.role == .slave, !changesMaster { place = await keepAside(store, siblings) }
            if let place {
                store.close()
                store = try open(place)
            }
            return OpenedStore(
                store: store, epochs: epochs, cuts: try LogCut.all(below: store.configuration),
                replica: try replica(of: store, isDamaged: isDamaged))
        } catch {
            // A second call does nothing.
            store.close()
            throw error
        }
    }

    private func replica(of store: MessageStore, isDamaged: Bool) throws -> Replica? {
        guard changesMaster else { return nil }
        let identity = try ReplicaIdentity(
            root: store.configuration.root, past: .init(wasCleanStop: wasCleanStop, isDamaged: isDamaged),
            countsFlushed: store.configuration.syncsCopies)
        return Replica(id: ReplicaID(configuration.brokerID), incarnation: identity.incarnation)
    }

    /// Copies aside what this slave's master has not; gives where the log is to be cut.
    private func keepAside(_ store: MessageStore, _ siblings: Siblings) async -> Int64? {
        guard let (place, master, log) = await siblings.parting() else { return nil }
        let last = log.own.lastEpoch
        let reason =
            "the master at \(master), of epoch \(log.reign?.number ?? 0), went on without this end, of epoch \(last.number)"
        do {
            let cut = try store.saveEnd(
                from: place, name: "\(last.number)-\(String(last.mark, radix: 16))", reason: reason)
            logger.error(
                "the log's end is another one than the master's; it is cut, and kept aside",
                metadata: [
                    "from": "\(cut.range.lowerBound)", "to": "\(cut.range.upperBound)", "kept in": "\(cut.path)",
                    "why": "\(reason)",
                ])
            return place
        } catch {
            logger.error(
                "what has to be cut from the log could not be kept aside, and stays; the master is not followed",
                metadata: ["from": "\(place)", "error": "\(error)"])
            return nil
        }
    }
}
