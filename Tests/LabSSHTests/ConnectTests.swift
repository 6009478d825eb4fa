import Glibc
import SystemPackage
import Testing

@testable import LabSSH

extension SSHTests {
    @Suite struct ConnectTests {
        /// The error that connecting ends with.
        private func failure(_ configuration: SSHConfiguration) async throws -> SSHError {
            do {
                await (try SSHSession.connect(configuration)).close()
            } catch {
                return error
            }
            throw SpawnFailure(words: ["connect unexpectedly worked"], status: 0)
        }

        @Test func aKeyLetsUsIn() async throws {
            let server = try await TestServer()
            let session = try await server.connect()
            let result = try await session.execute("echo in; echo out >&2; exit 3")
            #expect(result.outputText == "in\n")
            #expect(result.errorText == "out\n")
            #expect(result.exitStatus == 3)
            #expect(await session.isOpen)
            await session.close()
            #expect(await session.isOpen == false)
        }

        @Test func aWrongKeyIsRefused() async throws {
            let server = try await TestServer()
            let other = server.scratch.file("other")
            try TestServer.makeKey(other)
            var configuration = server.configuration
            configuration.credentials = [.privateKey(other)]
            let error = try await failure(configuration)
            #expect(error.code == .authenticationFailed)
            #expect(error.description.contains("authorized_keys"))
            #expect(error.description.contains("publickey"))
        }

        @Test func theSecondKeyIsTriedWhenTheFirstIsRefused() async throws {
            let server = try await TestServer()
            let other = server.scratch.file("other")
            try TestServer.makeKey(other, type: "ecdsa")
            var configuration = server.configuration
            configuration.credentials = [.privateKey(other), .privateKey(server.userKey)]
            await (try SSHSession.connect(configuration)).close()
        }

        @Test func keysThatCanNotBeUsedAreNamed() async throws {
            let server = try await TestServer()
            let rsa = server.scratch.file("rsa")
            try TestServer.makeKey(rsa, type: "rsa")
            let locked = server.scratch.file("locked")
            try TestServer.makeKey(locked, passphrase: "open sesame")
            let rubbish = try server.scratch.write(Array("hello".utf8), to: "rubbish")
            let table: [(SSHCredential, String)] = [
                (.privateKey(rsa), "RSA"),
                (.privateKey(locked), "encrypted"),
                (.privateKey(locked, passphrase: "wrong"), "passphrase is wrong"),
                (.privateKey(rubbish), "not a private key"),
                (.privateKey(server.scratch.file("absent")), "no such key file"),
            ]
            for (credential, text) in table {
                var configuration = server.configuration
                configuration.credentials = [credential]
                let error = try await failure(configuration)
                #expect(error.code == .badPrivateKey, "\(error)")
                #expect(error.description.contains(text), "\(error)")
            }
        }

        @Test(arguments: ["ed25519", "ecdsa"])
        func anEncryptedKeyOpensWithItsPassphrase(type: String) async throws {
            let server = try await TestServer()
            let locked = server.scratch.file("locked")
            try TestServer.makeKey(locked, type: type, passphrase: "open sesame")
            _ = try server.scratch.write(server.scratch.read("locked.pub"), to: "authorized")
            var configuration = server.configuration
            configuration.credentials = [.privateKey(locked, passphrase: "open sesame")]
            await (try SSHSession.connect(configuration)).close()
        }

        @Test func theAgentsKeysLetUsIn() async throws {
            let server = try await TestServer()
            let socket = server.scratch.file("agent")
            let agent = try Spawned(["ssh-agent", "-D", "-a", socket.string])
            defer { agent.end() }
            for _ in 0..<200 where access(socket.string, F_OK) != 0 { try await Task.sleep(for: .milliseconds(10)) }
            try Spawned.run(["ssh-add", "-q", server.userKey.string], environment: ["SSH_AUTH_SOCK=\(socket)"])
            var configuration = server.configuration
            configuration.credentials = [.agentSocket(socket)]
            await (try SSHSession.connect(configuration)).close()
            configuration.credentials = [.agentSocket(server.scratch.file("nobody"))]
            #expect(try await failure(configuration).code == .authenticationFailed)
        }

        @Test func anUnknownHostIsRefused() async throws {
            let server = try await TestServer()
            var configuration = server.configuration
            configuration.knownHosts = [server.scratch.file("empty")]
            configuration.trustCommand = "seatrial trust -i hosts.yaml --limit v1"
            let error = try await failure(configuration)
            #expect(error.code == .hostKeyUnknown)
            #expect(error.description.contains("SHA256:"))
            #expect(error.description.contains("'seatrial trust -i hosts.yaml --limit v1'"))
        }

        @Test func aChangedKeyStopsEverythingAndNamesTheLine() async throws {
            let server = try await TestServer()
            try TestServer.makeKey(server.scratch.file("impostor"))
            let blob = try server.scratch.read("impostor.pub")
            let text = "# one comment\n[127.0.0.1]:\(server.port) \(String(decoding: blob, as: UTF8.self))"
            let file = try server.scratch.write(Array(text.utf8), to: "stale")
            var configuration = server.configuration
            configuration.knownHosts = [file]
            let error = try await failure(configuration)
            #expect(error.code == .hostKeyChanged)
            #expect(error.description.contains("\(file):2"))
        }

        @Test func aRefusedPortIsNamed() async throws {
            let port = try TestServer.freePort()
            let endpoint = SSHEndpoint(host: "127.0.0.1", port: port)
            let error = try await failure(SSHConfiguration(endpoint: endpoint))
            #expect(error.code == .connectionRefused)
            #expect(error.description.contains("root@127.0.0.1:\(port)"))
        }

        @Test func aSilentHostTimesOut() async throws {
            let (listener, port) = try Loopback.listen()
            defer { close(listener) }
            let endpoint = SSHEndpoint(host: "127.0.0.1", port: port)
            let begun = ContinuousClock.now
            let error = try await failure(
                SSHConfiguration(endpoint: endpoint, connectTimeout: .milliseconds(300)))
            #expect(error.code == .timedOut)
            #expect(ContinuousClock.now - begun < .seconds(5))
        }

        @Test func noSharedHostKeyIsNamed() async throws {
            let keys = try Scratch()
            try TestServer.makeKey(keys.file("host"), type: "rsa")
            try TestServer.makeKey(keys.file("user"))
            let error = await #expect(throws: SSHError.self) {
                _ = try await TestServer(keys: keys)
            }
            #expect(error?.code == .noSharedAlgorithm, "\(String(describing: error))")
        }

        @Test func connectingCanBeCancelled() async throws {
            let (listener, port) = try Loopback.listen()
            defer { close(listener) }
            let task = Task {
                try await SSHSession.connect(
                    SSHConfiguration(
                        endpoint: SSHEndpoint(host: "127.0.0.1", port: port), connectTimeout: .seconds(60)))
            }
            try await Task.sleep(for: .milliseconds(50))
            let begun = ContinuousClock.now
            task.cancel()
            let error = await #expect(throws: SSHError.self) { try await task.value }
            #expect(error?.code == .cancelled)
            #expect(ContinuousClock.now - begun < .seconds(5))
        }

        @Test func aProxyCommandAndAJumpHostLeadThere() async throws {
            let server = try await TestServer()
            let gate = try await TestServer()
            var configuration = server.configuration
            configuration.proxy = .jump(gate.configuration)
            let jumped = try await SSHSession.connect(configuration)
            let megabyte = [UInt8](repeating: 7, count: 1 << 20)
            #expect(try await jumped.execute("cat", standardInput: megabyte).standardOutput == megabyte)
            await jumped.close()
            // The simplest proxy command there is: another sshd on standard input and output.
            let file = server.scratch.file("sshd-\(server.port).conf")
            configuration.proxy = .command("exec /usr/sbin/sshd -i -f \(file) # %h %p %r %%")
            let commanded = try await SSHSession.connect(configuration)
            #expect(try await commanded.execute("echo here").outputText == "here\n")
            await commanded.close()
        }

        @Test func twentyHostsAtOnce() async throws {
            let keys = try Scratch()
            var servers: [TestServer] = []
            for _ in 0..<20 { servers.append(try await TestServer(keys: keys)) }
            let answers = try await withThrowingTaskGroup(of: String.self) { group in
                for server in servers {
                    group.addTask {
                        let session = try await server.connect()
                        let result = try await session.execute("echo \(server.port)")
                        await session.close()
                        return result.outputText
                    }
                }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            #expect(answers == Set(servers.map { "\($0.port)\n" }))
        }
    }
}
