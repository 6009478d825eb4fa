import Glibc
import SystemPackage
import Testing

@testable import LabSSH

extension SSHTests {
    @Suite struct CommandTests {
        @Test func aSignalIsReported() async throws {
            let server = try await TestServer()
            let session = try await server.connect()
            let result = try await session.execute("kill -TERM $$")
            #expect(result.exitStatus == nil)
            #expect(result.exitSignal == "TERM")
            #expect(!result.isSuccess)
            await session.close()
        }

        @Test func theTwoOutputsStayApart() async throws {
            let server = try await TestServer()
            let session = try await server.connect()
            let result = try await session.execute(
                "i=0; while [ $i -lt 2000 ]; do echo out$i; echo err$i >&2; i=$((i+1)); done")
            let expected = (0..<2000)
            #expect(result.outputText == expected.map { "out\($0)\n" }.joined())
            #expect(result.errorText == expected.map { "err\($0)\n" }.joined())
            await session.close()
        }

        @Test func megabytesStreamThroughCat() async throws {
            let server = try await TestServer()
            let session = try await server.connect()
            let channel = try await session.openCommand("cat")
            let piece = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let writing = Task {
                for _ in 0..<80 { try await channel.write(piece) }
                try await channel.closeInput()
            }
            var received = 0
            var isIntact = true
            while let output = try await channel.next() {
                guard case .standardOutput(let bytes) = output else { continue }
                for (index, byte) in bytes.enumerated() where byte != piece[(received + index) % piece.count] {
                    isIntact = false
                }
                received += bytes.count
            }
            try await writing.value
            #expect(received == 8_000_000)
            #expect(isIntact)
            #expect(try await channel.exit() == SSHCommandExit(status: 0))
            await session.close()
        }

        /// Bytes that come between two calls of one try must not be slept upon until the next keepalive.
        @Test func noTransferStalls() async throws {
            let server = try await TestServer()
            var configuration = server.configuration
            configuration.keepaliveInterval = .seconds(60)
            let session = try await SSHSession.connect(configuration)
            let begun = ContinuousClock.now
            for _ in 0..<8 {
                let result = try await session.execute("head -c 30000000 /dev/zero", outputLimitBytes: 30_000_000)
                #expect(result.standardOutput.count == 30_000_000)
                let input = [UInt8](repeating: 1, count: 30_000_000)
                #expect(try await session.execute("wc -c", standardInput: input).outputText == "30000000\n")
            }
            #expect(ContinuousClock.now - begun < .seconds(55))
            await session.close()
        }

        @Test func manyCommandsRunOnOneSession() async throws {
            let server = try await TestServer()
            let session = try await server.connect()
            let sizes = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<30 {
                    group.addTask {
                        let input = [UInt8](repeating: UInt8(number), count: 200_000 + number)
                        let result = try await session.execute("cat", standardInput: input)
                        return result.standardOutput == input ? input.count : -1
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(sizes.sorted() == (0..<30).map { 200_000 + $0 })
            await session.close()
        }

        @Test func outputHasALimit() async throws {
            let server = try await TestServer()
            let session = try await server.connect()
            let error = await #expect(throws: SSHError.self) {
                try await session.execute("yes", outputLimitBytes: 100_000)
            }
            #expect(error?.code == .outputTooLarge)
            #expect(try await session.execute("echo still here").outputText == "still here\n")
            await session.close()
        }

        @Test func aCommandThatDoesNotReadItsInputEndsAllTheSame() async throws {
            let server = try await TestServer()
            let session = try await server.connect()
            let input = [UInt8](repeating: 0, count: 8_000_000)
            #expect(try await session.execute("exit 4", standardInput: input).exitStatus == 4)
            await session.close()
        }

        @Test func aCancelledCommandStopsAndTheSessionLives() async throws {
            let server = try await TestServer()
            let session = try await server.connect()
            let mark = server.scratch.file("ended")
            // `cat` ends when its input does; the shell then leaves the mark.
            let channel = try await session.openCommand("cat; touch \(mark)")
            let waiting = Task { try await channel.next() }
            let running = Task { try await session.execute("sleep 60") }
            try await Task.sleep(for: .milliseconds(100))
            let begun = ContinuousClock.now
            running.cancel()
            waiting.cancel()
            let first = await #expect(throws: SSHError.self) { try await running.value }
            let second = await #expect(throws: SSHError.self) { try await waiting.value }
            #expect(first?.code == .cancelled)
            #expect(second?.code == .cancelled)
            #expect(ContinuousClock.now - begun < .seconds(3))
            await channel.close()
            for _ in 0..<500 where access(mark.string, F_OK) != 0 { try await Task.sleep(for: .milliseconds(10)) }
            #expect(access(mark.string, F_OK) == 0, "the remote command did not see the end of its input")
            #expect(try await session.execute("echo alive").outputText == "alive\n")
            await session.close()
        }

        @Test func aLostConnectionIsNoticedWhileIdle() async throws {
            let server = try await TestServer()
            let relay = try Relay(to: server.port)
            let session = try await SSHSession.connect(try through(relay, server))
            #expect(try await session.execute("echo once").isSuccess)
            relay.set(.cut)
            for _ in 0..<500 where await session.isOpen { try await Task.sleep(for: .milliseconds(10)) }
            #expect(await session.isOpen == false)
            let error = await #expect(throws: SSHError.self) { try await session.execute("echo again") }
            #expect(error?.code == .connectionLost)
        }

        @Test func keepalivesFindADeadPeer() async throws {
            let server = try await TestServer()
            let relay = try Relay(to: server.port)
            var configuration = try through(relay, server)
            configuration.keepaliveInterval = .seconds(2)
            let session = try await SSHSession.connect(configuration)
            relay.set(.frozen)
            let begun = ContinuousClock.now
            let error = await #expect(throws: SSHError.self) { try await session.execute("echo anyone") }
            #expect(error?.code == .connectionLost)
            #expect(ContinuousClock.now - begun < .seconds(20))
            relay.set(.cut)
        }

        @Test func keepalivesKeepALivePeer() async throws {
            let server = try await TestServer(lines: ["ClientAliveInterval 1", "ClientAliveCountMax 2"])
            var configuration = server.configuration
            configuration.keepaliveInterval = .seconds(2)
            let session = try await SSHSession.connect(configuration)
            #expect(try await session.execute("sleep 5; echo awake").outputText == "awake\n")
            try await Task.sleep(for: .seconds(5))
            #expect(await session.isOpen)
            #expect(try await session.execute("echo awake").outputText == "awake\n")
            await session.close()
        }

        @Test func anIdleSessionUsesNoProcessor() async throws {
            let server = try await TestServer()
            let session = try await server.connect()
            _ = try await session.execute("true")
            let channel = try await session.openCommand("cat")
            let waiting = Task { try await channel.next() }
            try await Task.sleep(for: .milliseconds(300))
            let before = session.thread.processorTime
            try await Task.sleep(for: .seconds(1))
            #expect(session.thread.processorTime - before < .milliseconds(100))
            waiting.cancel()
            await session.close()
        }

        private func through(_ relay: Relay, _ server: TestServer) throws -> SSHConfiguration {
            var configuration = server.configuration
            configuration.endpoint.port = relay.port
            var key = try HostKeysOf(server).key
            key.host = "[127.0.0.1]:\(relay.port)"
            try HostKeys.append(key, to: server.knownHosts)
            return configuration
        }
    }
}

/// The key that a test server recorded for itself.
struct HostKeysOf {
    let key: SSHHostKey

    init(_ server: TestServer) throws {
        let text = String(decoding: try server.scratch.read("host.pub"), as: UTF8.self)
        let fields = text.split(separator: " ")
        key = SSHHostKey(
            host: server.endpoint.knownHostsName, type: String(fields[0]), blob: Base64.decode(fields[1]) ?? [])
    }
}
