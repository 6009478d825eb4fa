import CLibSSH2

extension SSHSession {
    /// Runs a command through the account's shell and gives its ending and all that it wrote.
    ///
    /// - Parameters:
    ///   - standardInput: What the command reads; after it, end-of-file.
    ///   - outputLimitBytes: The limit for both streams together.
    /// - Throws: `SSHError`: `outputTooLarge` above the limit, `channelRefused`, `connectionLost`, `cancelled`. After
    ///   a cancellation the command's channel is closed. A status other than 0 is a result and not an error.
    public func execute(
        _ command: String, standardInput: [UInt8] = [], outputLimitBytes: Int = SSHLimits.outputBytes
    ) async throws(SSHError) -> SSHCommandResult {
        let channel = try await start(command)
        let writing = Task { await feed(standardInput, to: channel) }
        defer {
            writing.cancel()
            release(channel)
        }
        var result = SSHCommandResult(exitStatus: nil)
        while let output = try await read(from: channel) {
            switch output {
            case .standardOutput(let bytes): result.standardOutput += bytes
            case .standardError(let bytes): result.standardError += bytes
            }
            if result.standardOutput.count + result.standardError.count > outputLimitBytes {
                throw SSHError(
                    .outputTooLarge,
                    "the command wrote more than \(outputLimitBytes) bytes (narrow it, or raise the limit)",
                    location: endpoint.description)
            }
        }
        let exit = try await exit(of: channel)
        result.exitStatus = exit.status
        result.exitSignal = exit.signal
        return result
    }

    /// Starts a command through the account's shell, to be written to and read from while it runs.
    public func openCommand(_ command: String) async throws(SSHError) -> SSHCommandChannel {
        SSHCommandChannel(session: self, channel: try await start(command))
    }

    /// Opens a channel and starts a command on it.
    func start(_ command: String) async throws(SSHError) -> ChannelBox {
        let name = "opening a channel"
        let channel = try await perform(
            name, [.exclusive, .mustFinish], leftOver: { session, channel in session.release(channel) }
        ) { session -> Attempt<ChannelBox> in
            let type = "session"
            let window = SSHLimits.windowBytes
            let packet = SSHLimits.packetBytes
            let pointer = libssh2_channel_open_ex(
                session.handle.pointer, type, UInt32(type.utf8.count), window, packet, nil, 0)
            return session.adopt(pointer, while: name)
        }
        do throws(SSHError) {
            try await perform("starting a command") { session -> Attempt<Void> in
                guard let pointer = channel.pointer else { return .failed(session.ended("starting a command")) }
                let code = libssh2_channel_process_startup(
                    pointer, "exec", 4, command, UInt32(command.utf8.count))
                return code == 0 ? .done(()) : session.unfinished(code, while: "starting a command")
            }
        } catch {
            release(channel)
            throw error
        }
        return channel
    }

    /// Takes a channel that was just opened into the session's books.
    func adopt(_ pointer: OpaquePointer?, while name: String) -> Attempt<ChannelBox> {
        guard let pointer else { return unfinished(libssh2_session_last_errno(handle.pointer), while: name) }
        let box = ChannelBox(pointer)
        channels[ObjectIdentifier(box)] = box
        return .done(box)
    }

    /// Writes all bytes, waiting for the host's window as often as it takes.
    func write(_ bytes: [UInt8], to channel: ChannelBox) async throws(SSHError) {
        var sent = 0
        while sent < bytes.count {
            let start = sent
            let end = min(start + SSHLimits.writeBytes, bytes.count)
            sent += try await perform("writing to a command") { session -> Attempt<Int> in
                guard let pointer = channel.pointer else { return .failed(session.ended("writing to it")) }
                let count = bytes.withUnsafeBytes { raw in
                    let piece = UnsafeRawBufferPointer(rebasing: raw[start..<end])
                    return libssh2_channel_write_ex(
                        pointer, 0, piece.baseAddress?.assumingMemoryBound(to: CChar.self), piece.count)
                }
                if count > 0 { return .done(count) }
                if count < 0, count != Int(LIBSSH2_ERROR_EAGAIN) {
                    return .failed(session.error(Int32(count), while: "writing to a command"))
                }
                // No window. If the command is gone there will never be one.
                if !session.handle.isMidPacket, libssh2_channel_wait_closed(pointer) == 0 {
                    return .failed(session.ended("writing to it"))
                }
                return .again
            }
        }
    }

    /// Writes all of a command's input. A command may well end without reading it, and a lost connection is told by
    /// the reading side, so a failure is nobody's news.
    private func feed(_ bytes: [UInt8], to channel: ChannelBox) async {
        do throws(SSHError) {
            try await write(bytes, to: channel)
            try await sendEndOfFile(to: channel)
        } catch {
            return
        }
    }

    /// Ends a command's standard input. Harmless when the command has ended already.
    func sendEndOfFile(to channel: ChannelBox) async throws(SSHError) {
        try await perform("ending a command's input") { session -> Attempt<Void> in
            guard let pointer = channel.pointer else { return .done(()) }
            let code = libssh2_channel_send_eof(pointer)
            return code == 0 ? .done(()) : session.unfinished(code, while: "ending a command's input")
        }
    }

    /// The next bytes of either stream, or nil when both have ended.
    func read(from channel: ChannelBox) async throws(SSHError) -> SSHCommandOutput? {
        try await perform("reading from a command") { session -> Attempt<SSHCommandOutput?> in
            guard let pointer = channel.pointer else { return .done(nil) }
            for stream in [Int32(0), SSH_EXTENDED_DATA_STDERR] {
                var count = 0
                let bytes = [UInt8](unsafeUninitializedCapacity: SSHLimits.readBytes) { buffer, used in
                    count = buffer.withMemoryRebound(to: CChar.self) {
                        libssh2_channel_read_ex(pointer, stream, $0.baseAddress, $0.count)
                    }
                    used = max(count, 0)
                }
                if count > 0 { return .done(stream == 0 ? .standardOutput(bytes) : .standardError(bytes)) }
                if count < 0, count != Int(LIBSSH2_ERROR_EAGAIN) {
                    return .failed(session.error(Int32(count), while: "reading from a command"))
                }
                // The read opened the window and its packet is partly sent: the same read has to go on.
                if session.handle.isMidPacket { return .again }
            }
            return libssh2_channel_eof(pointer) == 1 ? .done(nil) : .again
        }
    }

    /// Waits for a command's end, and closes its channel.
    func exit(of channel: ChannelBox) async throws(SSHError) -> SSHCommandExit {
        if let exit = channel.exit { return exit }
        let exit = try await perform("waiting for a command's end") { session -> Attempt<SSHCommandExit> in
            guard let pointer = channel.pointer else { return .failed(session.ended("waiting for its end")) }
            let code = libssh2_channel_close(pointer)
            guard code == 0 else { return session.unfinished(code, while: "waiting for a command's end") }
            return .done(session.readExit(pointer))
        }
        channel.exit = exit
        retire(channel)
        return exit
    }

    /// Ends a channel in the background, whatever its command is doing.
    func release(_ channel: ChannelBox) {
        guard failure == nil, let pointer = channel.pointer else { return }
        channels[ObjectIdentifier(channel)] = nil
        channel.pointer = nil
        Task {
            let deadline = ContinuousClock.now + SSHLimits.channelCloseTimeout
            let closing = ChannelBox(pointer)
            do throws(SSHError) {
                try await perform("closing a channel", until: deadline) { session -> Attempt<Void> in
                    guard let pointer = closing.pointer else { return .done(()) }
                    let code = libssh2_channel_close(pointer)
                    return code == 0 ? .done(()) : session.unfinished(code, while: "closing a channel")
                }
                retire(closing)
            } catch {
                // A channel that does not close in time, or whose session is lost, is freed with the session.
            }
        }
    }

    /// Takes a channel that is closed on both sides out of use, and frees the one before it.
    private func retire(_ channel: ChannelBox) {
        guard let pointer = channel.pointer else { return }
        channels[ObjectIdentifier(channel)] = nil
        channel.pointer = nil
        // Closed on both sides, so freeing it sends nothing and can't answer EAGAIN.
        if let retired { libssh2_channel_free(retired) }
        retired = pointer
    }

    private func readExit(_ pointer: OpaquePointer) -> SSHCommandExit {
        var name: UnsafeMutablePointer<CChar>?
        var count = 0
        libssh2_channel_get_exit_signal(pointer, &name, &count, nil, nil, nil, nil)
        if let name {
            defer { libssh2_free(handle.pointer, name) }
            return SSHCommandExit(status: nil, signal: String(cString: name))
        }
        return SSHCommandExit(status: libssh2_channel_get_exit_status(pointer))
    }

    /// The error for using a command that is over.
    func ended(_ name: String) -> SSHError {
        SSHError(
            .channelRefused, "the command had ended already while \(name) (read what it said)",
            location: endpoint.description)
    }
}
