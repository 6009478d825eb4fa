import CLibSSH2
import Glibc

extension SSHSession {
    /// Shakes hands with a host just to see its key.
    static func fetchHostKey(_ configuration: SSHConfiguration) async throws(SSHError) -> SSHHostKey {
        let session = SSHSession(configuration, thread: .next())
        do {
            let deadline = ContinuousClock.now + configuration.connectTimeout
            try await session.open(until: deadline)
            try await session.handshake(preferring: KnownHosts(), until: deadline)
            let key = try await session.hostKey()
            await session.close()
            return key
        } catch {
            await session.close()
            throw error
        }
    }

    /// Opens a connection from this session's host to another (RFC 4254 §7.2).
    func openTunnel(to target: SSHEndpoint) async throws(SSHError) -> ChannelBox {
        let name = "connecting from here to \(target.host) port \(target.port)"
        return try await perform(
            name, [.exclusive, .mustFinish], leftOver: { session, channel in session.release(channel) }
        ) { session -> Attempt<ChannelBox> in
            let pointer = libssh2_channel_direct_tcpip_ex(
                session.handle.pointer, target.host, Int32(target.port), "127.0.0.1", 22)
            return session.adopt(pointer, while: name)
        }
    }

    /// Carries bytes between a socket and a channel until either ends; then ends the other, and closes the socket.
    func serve(_ socket: Int32, through channel: ChannelBox) -> [Task<Void, Never>] {
        _ = fcntl(socket, F_SETFL, O_NONBLOCK)
        let inward = Task {
            var buffer = [UInt8](repeating: 0, count: SSHLimits.readBytes)
            while !Task.isCancelled {
                let count = recv(socket, &buffer, buffer.count, 0)
                if count > 0 {
                    guard (try? await write(Array(buffer.prefix(count)), to: channel)) != nil else { break }
                } else if count < 0, errno == EAGAIN || errno == EINTR {
                    guard await thread.wait(socket, Int16(POLLIN), until: nil) == .ready else { break }
                } else {
                    break
                }
            }
            // The other direction sees the socket's end as well.
            shutdown(socket, Int32(SHUT_RDWR))
            release(channel)
        }
        let outward = Task {
            while !Task.isCancelled, let output = try? await read(from: channel) {
                guard case .standardOutput(let bytes) = output else { continue }
                guard await sendAll(bytes, to: socket) else { break }
            }
            shutdown(socket, Int32(SHUT_RDWR))
            await inward.value
            Glibc.close(socket)
        }
        return [inward, outward]
    }

    private func sendAll(_ bytes: [UInt8], to socket: Int32) async -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { raw in
                send(socket, raw.baseAddress.map { $0 + sent }, raw.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                sent += count
            } else if count < 0, errno == EAGAIN || errno == EINTR {
                guard await thread.wait(socket, Int16(POLLOUT), until: nil) == .ready else { return false }
            } else {
                return false
            }
        }
        return true
    }
}
