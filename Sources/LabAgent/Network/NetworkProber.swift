import Glibc

/// Tries whether packets go to a peer and back.
///
/// An echo is answered by the peer's kernel, at no cost to any daemon; a connection is reset as soon as it stands.
public enum NetworkProber {
    /// Between two echoes to a peer that has not answered: one of them may be lost.
    private static let echoEveryMilliseconds: Int64 = 20

    /// What comes of each probe within a time; returns as soon as all are settled.
    public static func look(_ probes: [NetworkProbe], milliseconds: Int64) async -> [NetworkAnswer] {
        await withCheckedContinuation { continuation in
            let isStarted = AgentThread.start {
                continuation.resume(returning: wait(for: probes, milliseconds: milliseconds))
            }
            if !isStarted {
                continuation.resume(
                    returning: probes.map { _ in .notSent(reason: "this machine starts no thread") })
            }
        }
    }

    /// The same on the caller's own thread.
    static func wait(for probes: [NetworkProbe], milliseconds: Int64) -> [NetworkAnswer] {
        wait(for: probes, milliseconds: milliseconds) { () throws(Never) in }
    }

    /// The same, with something done while the first answers are on their way.
    static func wait<Failure: Error>(
        for probes: [NetworkProbe], milliseconds: Int64, meanwhile: () throws(Failure) -> Void
    ) throws(Failure) -> [NetworkAnswer] {
        var round = Round(probes)
        defer { round.close() }
        let deadline = HostClock.monotonicNanoseconds() + milliseconds * 1_000_000
        round.sendEchoes()
        var nextEcho = HostClock.monotonicNanoseconds() + echoEveryMilliseconds * 1_000_000
        try meanwhile()
        while !round.isSettled {
            let now = HostClock.monotonicNanoseconds()
            guard now < deadline else { break }
            if now >= nextEcho {
                round.sendEchoes()
                nextEcho = now + echoEveryMilliseconds * 1_000_000
            }
            let left = (min(deadline, nextEcho) - now + 999_999) / 1_000_000
            round.poll(milliseconds: CInt(max(1, left)))
        }
        return round.answers
    }

    /// The sockets of one look.
    private struct Round {
        let probes: [NetworkProbe]
        let start = HostClock.monotonicNanoseconds()
        /// Nil until it is settled.
        private var settled: [NetworkAnswer?]
        private var addresses: [in_addr] = []
        private var connections: [Int: CInt] = [:]
        private var echo: CInt = -1
        private let identifier = UInt16.random(in: 1...UInt16.max)

        init(_ probes: [NetworkProbe]) {
            self.probes = probes
            settled = probes.map { _ in nil }
            for (place, probe) in probes.enumerated() {
                var address = in_addr()
                if inet_pton(AF_INET, probe.address, &address) != 1 {
                    settled[place] = .notSent(reason: "'\(probe.address)' is no IPv4 address")
                }
                addresses.append(address)
            }
            for place in probes.indices where settled[place] == nil && probes[place].port != nil {
                connect(place)
            }
            guard probes.indices.contains(where: { settled[$0] == nil && probes[$0].port == nil }) else {
                return
            }
            echo = socket(
                AF_INET, CInt(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue),
                CInt(IPPROTO_ICMP))
            guard echo < 0 else { return }
            let reason = String(cString: strerror(errno))
            for place in probes.indices where probes[place].port == nil {
                settle(place, .notSent(reason: reason))
            }
        }

        var isSettled: Bool { settled.allSatisfy { $0 != nil } }
        var answers: [NetworkAnswer] { settled.map { $0 ?? .silent } }

        mutating func close() {
            for socket in connections.values { Glibc.close(socket) }
            if echo >= 0 { Glibc.close(echo) }
        }

        private mutating func settle(_ place: Int, _ answer: NetworkAnswer) {
            if settled[place] == nil { settled[place] = answer }
        }

        private mutating func answer(_ place: Int) {
            settle(place, .answered(microseconds: (HostClock.monotonicNanoseconds() - start) / 1_000))
        }

        private mutating func connect(_ place: Int) {
            let socket = Glibc.socket(
                AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
            guard socket >= 0 else {
                return settle(place, .notSent(reason: String(cString: strerror(errno))))
            }
            // It ends with a reset: the daemon behind it has nothing to do with it.
            var now = linger(l_onoff: 1, l_linger: 0)
            setsockopt(socket, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
            connections[place] = socket
            let result = withTarget(place, port: probes[place].port ?? 0) {
                Glibc.connect(socket, $0, $1)
            }
            if result == 0 {
                answer(place)
            } else if errno != EINPROGRESS {
                settle(place, Self.refusal(errno))
            }
        }

        mutating func sendEchoes() {
            for place in probes.indices where settled[place] == nil && probes[place].port == nil {
                let packet = Self.packet(identifier, UInt16(truncatingIfNeeded: place))
                let count = withTarget(place, port: 0) { sendto(echo, packet, packet.count, 0, $0, $1) }
                if count < 0, errno != EAGAIN, errno != ENOBUFS, errno != EINTR {
                    settle(place, Self.refusal(errno))
                }
            }
        }

        mutating func poll(milliseconds: CInt) {
            let open = connections.keys.filter { settled[$0] == nil }.sorted()
            var waiting = open.map {
                pollfd(fd: connections[$0] ?? -1, events: Int16(POLLOUT), revents: 0)
            }
            waiting.append(pollfd(fd: echo, events: Int16(POLLIN), revents: 0))
            guard Glibc.poll(&waiting, nfds_t(waiting.count), milliseconds) > 0 else { return }
            for (index, place) in open.enumerated() where waiting[index].revents != 0 {
                var reason: CInt = 0
                var size = socklen_t(MemoryLayout<CInt>.size)
                getsockopt(waiting[index].fd, SOL_SOCKET, SO_ERROR, &reason, &size)
                if reason == 0 { answer(place) } else { settle(place, Self.refusal(reason)) }
            }
            if waiting[open.count].revents != 0 { receiveEchoes() }
        }

        private mutating func receiveEchoes() {
            var buffer = [UInt8](repeating: 0, count: 2048)
            while true {
                let count = recv(echo, &buffer, buffer.count, 0)
                guard count > 0 else { return }
                guard let (source, place) = Self.reply(buffer[..<count], identifier), place < probes.count,
                    addresses[place].s_addr == source
                else { continue }
                answer(place)
            }
        }

        private func withTarget<T>(
            _ place: Int, port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> T
        ) -> T {
            var target = sockaddr_in()
            target.sin_family = sa_family_t(AF_INET)
            target.sin_port = port.bigEndian
            target.sin_addr = addresses[place]
            return withUnsafePointer(to: &target) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }

        private static func refusal(_ reason: CInt) -> NetworkAnswer {
            switch reason {
            case ECONNREFUSED, ECONNRESET: .refused
            default: .notSent(reason: String(cString: strerror(reason)))
            }
        }

        /// An echo request (RFC 792): type 8, code 0, checksum, identifier, sequence number.
        private static func packet(_ identifier: UInt16, _ sequence: UInt16) -> [UInt8] {
            let words: [UInt16] = [0x0800, 0, identifier, sequence]
            let sum = words.reduce(UInt32(0)) { $0 + UInt32($1) }
            let folded = UInt16(truncatingIfNeeded: (sum & 0xFFFF) + (sum >> 16))
            return [0x0800, ~folded, identifier, sequence].flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
        }

        /// Source address and sequence number of an echo reply that is ours, behind its IPv4 header.
        private static func reply(_ packet: ArraySlice<UInt8>, _ identifier: UInt16) -> (
            in_addr_t, Int
        )? {
            guard packet.count >= 20 else { return nil }
            let header = Int(packet[0] & 0x0F) * 4
            guard packet.count >= header + 8, packet[header] == 0,
                UInt16(packet[header + 4]) << 8 | UInt16(packet[header + 5]) == identifier
            else { return nil }
            var source: in_addr_t = 0
            withUnsafeMutableBytes(of: &source) { $0.copyBytes(from: packet[12..<16]) }
            return (source, Int(packet[header + 6]) << 8 | Int(packet[header + 7]))
        }
    }
}
