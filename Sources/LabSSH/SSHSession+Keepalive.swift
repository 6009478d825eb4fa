import CLibSSH2
import Glibc

/// `POLLRDHUP` of Linux's <poll.h>, which Swift's Glibc module leaves out: the other side has ended its sending.
private let pollHangUp: Int16 = 0x2000

extension SSHSession {
    /// Asks a silent host for a sign of life, and declares the connection lost when none comes.
    ///
    /// The task holds the session only while it acts, so that a session nobody uses can go.
    nonisolated func startKeepalive() -> Task<Void, Never> {
        let interval = max(configuration.keepaliveInterval, SSHLimits.leastKeepaliveInterval)
        let thread = thread
        return Task { [weak self] in
            var watch = KeepaliveWatch(limit: SSHLimits.unansweredKeepalives)
            while !Task.isCancelled {
                _ = await thread.wait(-1, 0, until: ContinuousClock.now + interval)
                guard let self, await self.keepAlive(&watch) else { return }
            }
        }
    }

    /// One tick; false when the session is over.
    private func keepAlive(_ watch: inout KeepaliveWatch) -> Bool {
        guard failure == nil else { return false }
        var waiting: Int32 = 0
        _ = ioctl(handle.socket, UInt(FIONREAD), &waiting)
        guard watch.tick(seen: handle.received + Int(waiting)) else {
            fail(
                SSHError(
                    .connectionLost,
                    "no sign of life for \(watch.limit) keepalives of \(configuration.keepaliveInterval) each "
                        + "(what was asked for may have happened; look at the host and its links)",
                    location: endpoint.description))
            return false
        }
        // libssh2 swallows an EAGAIN here, and would leave half a packet behind: send only when there is room.
        var room = pollfd(fd: handle.socket, events: Int16(POLLOUT), revents: 0)
        guard sender == nil, poll(&room, 1, 0) == 1, room.revents & Int16(POLLOUT) != 0 else { return true }
        // The library's own clock has whole seconds and a least interval of 2; this clock is the task's.
        libssh2_keepalive_config(handle.pointer, 1, 1)
        var next: Int32 = 0
        _ = libssh2_keepalive_send(handle.pointer, &next)
        return true
    }

    /// Reads what comes while no operation waits: the host's own keepalives want an answer, and a lost connection
    /// should be noticed when it happens.
    nonisolated func startPump() -> Task<Void, Never> {
        let thread = thread
        let handle = handle
        return Task { [weak self] in
            while !Task.isCancelled {
                guard let events = await self?.idleEvents else { return }
                _ = await thread.wait(handle.socket, events, until: nil)
                guard let self, await self.pump() else { return }
            }
        }
    }

    /// What an idle session waits for. libssh2 reads only on behalf of a channel; as long as there never was one,
    /// bytes are left in the socket, and only the connection's end is of interest.
    private var idleEvents: Int16? {
        guard failure == nil else { return nil }
        return pollHangUp | (hasReader && sender == nil ? Int16(POLLIN) : 0)
    }

    private var hasReader: Bool { retired != nil || !channels.isEmpty }

    /// Reads what is there, on behalf of any channel, without taking anything from it; false when the session is over.
    private func pump() async -> Bool {
        guard failure == nil else { return false }
        guard let pointer = channels.values.lazy.compactMap(\.pointer).first ?? retired else { return isConnected() }
        let reader = ChannelBox(pointer)
        do throws(SSHError) {
            try await perform("idle") { session -> Attempt<Void> in
                // The channel may have gone while this waited for its turn.
                let pointer = reader.pointer
                guard session.retired == pointer || session.channels.values.contains(where: { $0.pointer == pointer })
                else { return .done(()) }
                var nothing: CChar = 0
                let count = libssh2_channel_read_ex(reader.pointer, 0, &nothing, 0)
                if count >= 0 { return .done(()) }
                if count == Int(LIBSSH2_ERROR_EAGAIN) { return session.handle.isMidPacket ? .again : .done(()) }
                return .failed(session.error(Int32(count), while: "idle"))
            }
            return isConnected()
        } catch {
            return false
        }
    }

    /// Fails the session when the host has hung up and nothing is left to read.
    private func isConnected() -> Bool {
        var waiting: Int32 = 0
        _ = ioctl(handle.socket, UInt(FIONREAD), &waiting)
        var end = pollfd(fd: handle.socket, events: pollHangUp, revents: 0)
        guard poll(&end, 1, 0) == 1, end.revents != 0, waiting == 0 || !hasReader else { return true }
        fail(
            SSHError(
                .connectionLost, "the host ended the connection (connect again)", location: endpoint.description))
        return false
    }
}

/// Counts the keepalives that nothing answered. A pure value.
struct KeepaliveWatch {
    /// Ticks without a byte after which the other side counts as dead.
    let limit: Int
    private var lastSeen = 0
    private var silentTicks = 0

    init(limit: Int) { self.limit = limit }

    /// Takes the number of bytes seen so far; false when there was none for `limit` ticks after the first.
    mutating func tick(seen: Int) -> Bool {
        if seen != lastSeen {
            lastSeen = seen
            silentTicks = 0
            return true
        }
        silentTicks += 1
        return silentTicks <= limit
    }
}
