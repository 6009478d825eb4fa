import Logging
import MQReplication
import MQStore
import MQTransport
import MQWire
import NIOCore
import Synchronization

/// The other brokers of this one's name, asked what they have of the log.
struct Siblings: Sendable {
    let configuration: BrokerConfiguration
    let store: MessageStore
    let lanes: WorkLanes
    let client: RemotingClient
    let logger: Logger

    static let timeout = Duration.seconds(3)

    /// What a sibling's log is to this one's.
    enum Kinship: Sendable, Equatable {
        /// All that both have is the same, as far as it was compared.
        case same
        /// They differ, or are too far apart to be compared.
        case other
    }

    /// A sibling's log.
    struct Log: Sendable {
        var span: LogSpanResponseHeader
        var kinship: Kinship
        var source: ReplicationSlave.Master
    }

    /// What a sibling says of its log.
    enum Finding: Sendable {
        case log(Log)
        /// It knows no such request: a broker of another kind.
        case foreign
        case silent(any Error)
    }

    private struct Foreign: Error {}

    /// Asks a broker what it has, and compares it with this one's log at the end of the shorter, or before `limit`.
    func log(of address: String, before limit: Int64 = .max) async -> Finding {
        do { return .log(try await compare(with: address, before: limit)) } catch is Foreign { return .foreign } catch {
            return .silent(error)
        }
    }

    private func compare(with address: String, before limit: Int64) async throws -> Log {
        let store = store
        let first = try await span(LogSpanRequestHeader(), at: address)
        let end = min(first.maxOffset, store.maximumLogOffset, limit)
        let bytes = min(end - max(first.minOffset, store.minimumLogOffset), MessageStore.comparedBytes)
        var kinship = Kinship.same
        if bytes > 0 {
            let theirs = try await span(LogSpanRequestHeader(checkEnd: end, checkBytes: bytes), at: address).checksum
            let ours = Mutex<UInt32?>(nil)
            await lanes.tables.run {
                let sum = try? store.checksum(before: end, count: bytes)
                ours.withLock { $0 = sum }
            }
            kinship = theirs != nil && theirs == ours.withLock { $0 } ? .same : .other
        } else if end > 0 {
            kinship = .other
        }
        let place = try HostPort(first.haAddress)
        let target = try SocketAddress(ipAddress: place.host, port: place.port)
        let source = ReplicationSlave.Master(address: target, sendsWholeLog: true, logStart: first.minOffset)
        return Log(span: first, kinship: kinship, source: source)
    }

    private func span(_ header: LogSpanRequestHeader, at address: String) async throws -> LogSpanResponseHeader {
        let answer = try await client.call(.request(.haLogSpan, header), to: address, timeout: Self.timeout)
        guard answer.responseCode == .success else { throw Foreign() }
        return try answer.header(LogSpanResponseHeader.self)
    }

    /// A master that comes back with less than its slave has takes the missing part back, before it serves anybody.
    ///
    /// What it had acknowledged and not synced may be gone with its power and be on a slave. Never the reverse: what a
    /// slave has besides is not this master's to give away. Nobody to ask, and nothing to take, is no obstacle.
    func takeBack(_ tables: TableCopy) async {
        var longest: (address: String, log: Log)?
        for address in await addresses() {
            guard case .log(let log) = await log(of: address), log.span.maxOffset > store.maximumLogOffset
            else { continue }
            guard log.kinship == .same else {
                logger.error(
                    "a slave's log is longer and another one than this master's; nothing is taken from it",
                    metadata: ["slave": "\(address)", "its end": "\(log.span.maxOffset)"])
                continue
            }
            if log.span.maxOffset > longest?.log.span.maxOffset ?? 0 { longest = (address, log) }
        }
        guard let (address, log) = longest else { return }
        let start = store.maximumLogOffset
        logger.warning(
            "this master's log is shorter than its slave's; the missing part is taken back",
            metadata: ["slave": "\(address)", "from": "\(start)", "to": "\(log.span.maxOffset)"])
        let link = Replication.follower(configuration, store: store, logger: logger)
        link.start()
        link.follow(log.source)
        var lastEnd = start
        var lastMove = MonotonicClock.milliseconds()
        while store.maximumLogOffset < log.span.maxOffset, !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(5))
            if store.maximumLogOffset > lastEnd {
                (lastEnd, lastMove) = (store.maximumLogOffset, MonotonicClock.milliseconds())
            }
            // The slave may be gone meanwhile: better serve what is here than nobody.
            if MonotonicClock.milliseconds() - lastMove > Self.standstillMilliseconds { break }
        }
        await lanes.tables.run { link.stop() }
        // Whoever lost all of its log lost its tables with it.
        if start == 0 { await tables.refresh(from: address) }
        logger.warning(
            "what a slave had besides is taken back",
            metadata: ["slave": "\(address)", "log's end": "\(store.maximumLogOffset)"])
    }

    private static let standstillMilliseconds: Int64 = 5000

    /// Where to cut a log whose tail a crash has damaged, because a sibling has all of it; `nil` when nobody has.
    ///
    /// Alone, a broker keeps what is sound behind a place that went bad; with a copy at hand it lets go of both and is sent
    /// the whole again. (Behind a piece that a power cut kept from the disk the store itself ends the log.)
    func placeToCut() async -> Int64? {
        guard !store.recovery.wasCleanStop, let first = store.recovery.damagedOffsets.min() else { return nil }
        for address in await addresses() {
            guard case .log(let log) = await log(of: address, before: first), log.kinship == .same,
                log.span.maxOffset >= store.maximumLogOffset, log.span.minOffset <= first
            else { continue }
            logger.warning(
                "the log is damaged, and another broker has all of it; it is cut there and copied anew",
                metadata: ["at": "\(first)", "of": "\(store.maximumLogOffset)", "broker": "\(address)"])
            return first
        }
        return nil
    }

    /// The addresses of the other brokers of this name, as the first nameserver that answers knows them.
    private func addresses() async -> [String] {
        // All at once: one that is cut off must not hold up the start.
        await withTaskGroup(of: ClusterInfo?.self) { group in
            for nameserver in configuration.nameservers {
                group.addTask {
                    let question = RemotingCommand(code: RequestCode.getBrokerClusterInfo.rawValue)
                    let answer = try? await client.call(question, to: nameserver, timeout: Self.timeout)
                    return answer.flatMap { try? ClusterInfo(decoding: $0.body) }
                }
            }
            for await case let info? in group {
                group.cancelAll()
                let all = info.brokers[configuration.brokerName]?.addresses ?? [:]
                return all.filter { $0.key != configuration.brokerID }.sorted { $0.key < $1.key }.map(\.value)
            }
            return []
        }
    }
}
