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
    let epochs: EpochRecord
    let lanes: WorkLanes
    let client: RemotingClient
    let logger: Logger

    static let timeout = Duration.seconds(3)

    /// A sibling's log, beside this broker's.
    struct Log: Sendable {
        var own: LogSpan
        var master: LogSpan
        /// The epoch in which the sibling is the master; `nil` while it is not.
        var reign: Epoch?
        /// Who it is, in a group that may change its master.
        var replica: Replica?
        var segmentBytes: Int64
        /// Where the log is sent from.
        var address: SocketAddress
        /// Whether the bytes before the place up to which both are the same by their epochs are the same: also those of
        /// stores that were copied or went bad are found out.
        var isSame: Bool

        /// Up to where both are the same, by their epochs.
        var commonEnd: Int64 { own.commonEnd(with: master) }

        /// What this broker does before it follows the sibling.
        func rejoining(segmentBytes own: Int64) -> Rejoining {
            if segmentBytes != own {
                return .object("its segments have \(segmentBytes) bytes; set mappedFileSizeCommitLog to that here")
            }
            if !isSame { return .object("it is another log than this one's; empty this store to begin anew") }
            return Rejoining(own: self.own, master: master, reign: reign)
        }
    }

    /// What a sibling says of its log.
    enum Finding: Sendable {
        case log(Log)
        /// It knows no such request: a broker of another kind.
        case foreign
        case silent(any Error)
    }

    private struct Foreign: Error {}
    private struct Refused: Error, CustomStringConvertible { var description: String }

    /// Asks a broker what it has, and compares it with this one's log where both are the same by their epochs, or before `limit`.
    func log(of address: String, before limit: Int64 = .max) async -> Finding {
        do { return .log(try await compare(with: address, before: limit)) } catch is Foreign { return .foreign } catch {
            return .silent(error)
        }
    }

    private func compare(with address: String, before limit: Int64) async throws -> Log {
        let store = store
        let (first, table) = try await span(LogSpanRequestHeader(), at: address)
        let place = try HostPort(first.haAddress)
        let reign = first.reignNumber.map { Epoch(number: $0, mark: first.reignMark ?? 0) }
        var log = Log(
            own: LogSpan(start: store.minimumLogOffset, end: store.maximumLogOffset, epochs: epochs.table),
            master: LogSpan(start: first.minOffset, end: first.maxOffset, epochs: table), reign: reign,
            replica: first.replicaID.map { Replica(id: ReplicaID($0), incarnation: first.incarnation ?? 0) },
            segmentBytes: first.segmentBytes, address: try SocketAddress(ipAddress: place.host, port: place.port),
            isSame: true)
        let end = min(log.commonEnd, limit)
        let start = max(log.own.start, log.master.start)
        let bytes = min(end - start, MessageStore.comparedBytes)
        if bytes > 0 {
            let theirs = try await span(LogSpanRequestHeader(checkEnd: end, checkBytes: bytes), at: address).0.checksum
            let ours = Mutex<UInt32?>(nil)
            await lanes.tables.run {
                let sum = try? store.checksum(before: end, count: bytes)
                ours.withLock { $0 = sum }
            }
            log.isSame = theirs != nil && theirs == ours.withLock { $0 }
        } else if end > 0, end < start {
            log.isSame = false
        }
        return log
    }

    private func span(
        _ header: LogSpanRequestHeader, at address: String
    ) async throws -> (LogSpanResponseHeader, EpochTable) {
        let answer = try await client.call(.request(.haLogSpan, header), to: address, timeout: Self.timeout)
        // One of ours that starts or stops refuses with another code: it must not be taken for a broker of another kind.
        if answer.responseCode == .requestCodeNotSupported { throw Foreign() }
        guard answer.responseCode == .success else {
            throw Refused(description: answer.remark ?? "code \(answer.code)")
        }
        var table = EpochTable()
        // One of ours from before there were epochs sends none.
        if let body = answer.body, body.readableBytes > 0 {
            guard let said = EpochTable(text: String(buffer: body)) else {
                throw Refused(description: "its table of epochs is none")
            }
            table = said
        }
        return (try answer.header(LogSpanResponseHeader.self), table)
    }

    /// Takes over the table of the broker that is followed; why not, when it could not be saved.
    func adopt(_ table: EpochTable) async -> StoreError? {
        let failure = Mutex<StoreError?>(nil)
        await lanes.tables.run { [epochs] in
            do throws(StoreError) { try epochs.adopt(table) } catch { failure.withLock { $0 = error } }
        }
        return failure.withLock { $0 }
    }

    /// A master that comes back with less than its slave has takes the missing part back, before it serves anybody; gives
    /// the greatest number of an epoch that it heard of.
    ///
    /// What it had acknowledged and not synced may be gone with its power and be on a slave. Never the reverse: what a
    /// slave has besides is not this master's to give away. Nobody to ask, and nothing to take, is no obstacle.
    func takeBack(_ tables: TableCopy) async -> Int64 {
        var longest: (address: String, log: Log)?
        var known: Int64 = 0
        for address in await addresses().values {
            guard case .log(let log) = await log(of: address) else { continue }
            known = max(known, log.master.epochs.last.number)
            guard log.master.end > log.own.end else { continue }
            guard log.isSame, log.commonEnd == log.own.end else {
                logger.error(
                    "a slave's log is longer and another one than this master's; nothing is taken from it",
                    metadata: ["slave": "\(address)", "its end": "\(log.master.end)"])
                continue
            }
            if log.master.end > longest?.log.master.end ?? 0 { longest = (address, log) }
        }
        if let longest { await takeBack(to: longest.log.master.end, from: longest.address, longest.log, tables) }
        return known
    }

    private func takeBack(to end: Int64, from address: String, _ log: Log, _ tables: TableCopy) async {
        let start = store.maximumLogOffset
        logger.warning(
            "this master's log is shorter than its slave's; the missing part is taken back",
            metadata: ["slave": "\(address)", "from": "\(start)", "to": "\(end)"])
        let link = Replication.follower(configuration, store: store, logger: logger)
        link.start()
        link.follow(.init(address: log.address)) { answer in Task { answer(await admit(address)) } }
        var lastEnd = start
        var lastMove = MonotonicClock.milliseconds()
        while store.maximumLogOffset < end, !Task.isCancelled {
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

    /// Whether a sibling, to which there is a link now, still has this log and more.
    private func admit(_ address: String) async -> ReplicationSlave.Admission {
        guard case .log(let log) = await log(of: address), log.isSame, log.commonEnd == log.own.end else {
            return .refused("its log is another one by now, or it does not answer")
        }
        if let failure = await adopt(log.master.epochs) { return .refused("\(failure)") }
        return .follow(logStart: log.master.start)
    }

    private static let standstillMilliseconds: Int64 = 5000

    /// Where to cut a log whose tail a crash has damaged, because a sibling has all of it; `nil` when nobody has.
    ///
    /// Alone, a broker keeps what is sound behind a place that went bad; with a copy at hand it lets go of both and is sent
    /// the whole again. (Behind a piece that a power cut kept from the disk the store itself ends the log.)
    func placeToCut() async -> Int64? {
        guard !store.recovery.wasCleanStop, let first = store.recovery.damagedOffsets.min() else { return nil }
        for address in await addresses().values {
            guard case .log(let log) = await log(of: address, before: first), log.isSame, log.commonEnd >= first,
                log.master.end >= store.maximumLogOffset, log.master.start <= first
            else { continue }
            logger.warning(
                "the log is damaged, and another broker has all of it; it is cut there and copied anew",
                metadata: ["at": "\(first)", "of": "\(store.maximumLogOffset)", "broker": "\(address)"])
            return first
        }
        return nil
    }

    /// Where this slave's log and its master's part, and who the master is; `nil` where this log is a beginning of it, or nobody
    /// can say.
    func parting() async -> (place: Int64, master: String, log: Log)? {
        guard let address = await addresses()[0], case .log(let log) = await log(of: address),
            case .cut(let place) = log.rejoining(segmentBytes: store.configuration.segmentBytes)
        else { return nil }
        return (place, address, log)
    }

    /// The addresses of the other brokers of this name, as the first nameserver that answers knows them.
    private func addresses() async -> [Int64: String] {
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
                // In a group that may change its master, this broker may be listed under another number than its own.
                let own = HostPort(host: configuration.brokerIP1, port: configuration.listenPort).description
                return all.filter { $0.key != configuration.brokerID && $0.value != own }
            }
            return [:]
        }
    }
}
