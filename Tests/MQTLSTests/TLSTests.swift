import Foundation
import Logging
import MQBroker
import MQClient
import MQNameserver
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import SystemPackage
import Testing

@testable import MQTLS

/// Both ends of TLS, with certificates that Debian's `openssl` makes.
@Suite struct TLSTests {
    private static let quiet = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    private static let group = MultiThreadedEventLoopGroup.singleton

    /// A folder with an authority, a server's and a client's certificate of it, and a stranger's.
    private final class Certificates {
        let root: URL

        init() throws {
            root = FileManager.default.temporaryDirectory.appendingPathComponent("tls-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
            for name in ["authority", "stranger"] {
                try Self.openssl(
                    root, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=\(name)", "-keyout", "\(name).key", "-out", "\(name).pem")
            }
            for name in ["server", "client"] {
                try Self.openssl(
                    root, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                    "/CN=\(name)", "-keyout", "\(name).key", "-out", "\(name).csr")
                try Self.openssl(
                    root, "x509", "-req", "-in", "\(name).csr", "-CA", "authority.pem", "-CAkey", "authority.key",
                    "-CAcreateserial", "-days", "2", "-out", "\(name).pem")
            }
            try Self.openssl(
                root, "ec", "-in", "server.key", "-aes256", "-passout", "pass:secret", "-out", "locked.key")
        }

        deinit { try? FileManager.default.removeItem(at: root) }

        func path(_ name: String) -> String { root.appendingPathComponent(name).path }

        private static func openssl(_ root: URL, _ arguments: String...) throws {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
            process.arguments = arguments
            process.currentDirectoryURL = root
            process.standardError = FileHandle.nullDevice
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            #expect(process.terminationStatus == 0, "openssl \(arguments)")
        }
    }

    private static func server(_ keys: [String: String]) throws -> TLSServer? {
        var settings = Settings(file: nil, commandLine: keys)
        return try TLSServer(settings: &settings)
    }

    private static func client(_ keys: [String: String]) throws -> TLSClient? {
        var settings = Settings(file: nil, commandLine: keys.merging(["tls.enable": "true"]) { old, _ in old })
        return try TLSClient(settings: &settings)
    }

    private struct Echo: RemotingRequestHandler {
        func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
            reply.send(
                request.response(
                    .success, body: request.body?.getSlice(at: 0, length: request.body?.readableBytes ?? 0)))
        }
    }

    /// A call through these ends; what went wrong, if it did.
    private static func call(
        _ server: TLSServer?, _ client: TLSClient?, body: String = "hello"
    ) async throws -> TransportError? {
        let listening = RemotingServer(
            configuration: .init(host: "127.0.0.1", port: 0, security: server), group: group, logger: quiet,
            handler: Echo())
        let address = try await listening.start().hostPort
        let caller = RemotingClient(
            configuration: .init(connectTimeout: .seconds(10), security: client), group: group, logger: quiet)
        var trouble: TransportError?
        do throws(TransportError) {
            let answer = try await caller.call(
                .request(.heartbeat, body: ByteBuffer(string: body)), to: address, timeout: .seconds(10))
            #expect(answer.responseCode == .success)
        } catch { trouble = error }
        await caller.shutdown()
        await listening.shutdown(patience: .seconds(1))
        return trouble
    }

    @Test func onePortServesBothKindsUnlessItIsToldOtherwise() async throws {
        let files = try Certificates()
        let pair = ["tls.server.certPath": files.path("server.pem"), "tls.server.keyPath": files.path("server.key")]
        let both = try #require(try Self.server(pair))
        let strict = try #require(try Self.server(pair.merging(["tls.server.mode": "enforcing"]) { $1 }))
        let trusting = try #require(try Self.client([:]))
        #expect(try await Self.call(both, nil) == nil)
        #expect(try await Self.call(both, trusting) == nil)
        #expect(try await Self.call(both, trusting, body: String(repeating: "x", count: 3 << 20)) == nil)
        #expect(try await Self.call(strict, trusting) == nil)
        // Refused before a word of it was read, but how is the caller to know?
        #expect(try await Self.call(strict, nil) != nil)
        // A server without TLS takes a handshake for no frame.
        guard case .connectFailed(_, let reason)? = try await Self.call(nil, trusting) else {
            Issue.record("a plain server must not seem to be connected")
            return
        }
        #expect(reason.contains("does this port speak TLS?"), "\(reason)")
    }

    @Test func whoIsNotTrustedIsNotSpokenTo() async throws {
        let files = try Certificates()
        var keys = ["tls.server.certPath": files.path("server.pem"), "tls.server.keyPath": files.path("server.key")]
        let server = try #require(try Self.server(keys))
        let knows = try #require(try Self.client(["tls.client.trustCertPath": files.path("authority.pem")]))
        let doubts = try #require(try Self.client(["tls.client.trustCertPath": files.path("stranger.pem")]))
        #expect(try await Self.call(server, knows) == nil)
        guard case .connectFailed(_, let reason)? = try await Self.call(server, doubts) else {
            Issue.record("a stranger's certificate was taken")
            return
        }
        #expect(reason == "the server's certificate is not signed by whom is trusted")
        // Now the server asks for the client's, too.
        keys["tls.server.need.client.auth"] = "require"
        keys["tls.server.trustCertPath"] = files.path("authority.pem")
        let asking = try #require(try Self.server(keys))
        let named = try #require(
            try Self.client([
                "tls.client.certPath": files.path("client.pem"), "tls.client.keyPath": files.path("client.key"),
            ]))
        #expect(try await Self.call(asking, named) == nil)
        #expect(try await Self.call(asking, knows) != nil)
    }

    @Test func mistakesInTheSettingsNameTheirPlace() throws {
        let files = try Certificates()
        let cert = files.path("server.pem")
        #expect(try Self.server([:]) == nil)
        #expect(try Self.server(["tls.server.mode": "disabled", "tls.server.certPath": cert]) == nil)
        for (keys, wanted) in [
            (["tls.server.mode": "permissive"], "tls.server.certPath"),
            (["tls.server.certPath": cert], "tls.server.keyPath"),
            (["tls.server.certPath": "/nowhere", "tls.server.keyPath": cert], "tls.server.certPath"),
            (["tls.server.certPath": cert, "tls.server.keyPath": cert], "tls.server.keyPath"),
            (["tls.server.certPath": cert, "tls.server.keyPath": files.path("stranger.key")], "tls.server.keyPath"),
            (
                [
                    "tls.server.certPath": cert, "tls.server.keyPath": files.path("server.key"),
                    "tls.server.authClient": "true",
                ], "tls.server.trustCertPath"
            ),
            (["tls.server.mode": "sometimes"], "tls.server.mode"),
        ] {
            do {
                _ = try Self.server(keys)
                Issue.record("\(keys) was taken")
            } catch let error as ConfigurationError {
                #expect("\(error)".contains(wanted), "\(error)")
            }
        }
        let locked = ["tls.server.certPath": cert, "tls.server.keyPath": files.path("locked.key")]
        #expect(try Self.server(locked.merging(["tls.server.keyPassword": "secret"]) { $1 }) != nil)
        #expect(throws: ConfigurationError.self) {
            try Self.server(locked.merging(["tls.server.keyPassword": "wrong"]) { $1 })
        }
    }

    /// Who gives files and no settings is told of the file, and of no key that nobody typed.
    @Test func filesAloneMakeAClient() throws {
        let files = try Certificates()
        _ = try TLSClient(trusting: nil)
        _ = try TLSClient(
            trusting: files.path("authority.pem"), certificate: files.path("client.pem"), key: files.path("client.key"))
        for (path, wanted) in [
            ("/nowhere.pem", "No such file"), (files.path("server.key"), "a PEM file with certificates"),
        ] {
            do {
                _ = try TLSClient(trusting: path)
                Issue.record("\(path) was taken")
            } catch { #expect(error.problem.contains(path) && error.problem.contains(wanted), "\(error)") }
        }
    }

    /// A peer that accepts and says nothing keeps nobody waiting for longer than a connection may take.
    @Test func aSilentPeerIsGivenUp() async throws {
        let listener = try await ServerBootstrap(group: Self.group).bind(host: "127.0.0.1", port: 0).get()
        let address = try #require(listener.localAddress).hostPort
        let caller = RemotingClient(
            configuration: .init(connectTimeout: .milliseconds(200), security: try Self.client([:])),
            group: Self.group, logger: Self.quiet)
        await #expect(throws: TransportError.self) {
            try await caller.connection(to: address).get()
        }
        await caller.shutdown()
        try await listener.close()
    }

    /// A cluster that speaks nothing but TLS: registration, routes, sends and pulls.
    @Test func aWholeClusterSpeaksTLS() async throws {
        let files = try Certificates()
        let server = try Self.server([
            "tls.server.certPath": files.path("server.pem"), "tls.server.keyPath": files.path("server.key"),
            "tls.server.mode": "enforcing",
        ])
        let client = try Self.client(["tls.client.trustCertPath": files.path("authority.pem")])
        let nameserver = NameserverService(
            configuration: .init(bindAddress: "127.0.0.1", listenPort: 0), group: Self.group, logger: Self.quiet,
            security: server)
        let nameserverAddress = try await nameserver.start().hostPort
        var configuration = BrokerConfiguration()
        configuration.bindAddress = "127.0.0.1"
        configuration.listenPort = 0
        configuration.storeRoot = FilePath(files.path("store"))
        configuration.segmentBytes = 1 << 20
        configuration.sendWait = .seconds(60)
        configuration.nameservers = [nameserverAddress]
        let broker = BrokerService(
            configuration: configuration, group: Self.group, logger: Self.quiet, serverSecurity: server,
            clientSecurity: client)
        try await broker.start()
        let connection = MQConnection(
            configuration: .init(nameservers: [nameserverAddress], requestTimeout: .seconds(10), security: client))
        let admin = MQAdmin(client: connection)
        let deadline = ContinuousClock.now.advanced(by: .seconds(15))
        while ContinuousClock.now < deadline, (try? await admin.clusterInfo().brokers["broker-a"]) == nil {
            try await Task.sleep(for: .milliseconds(20))
        }
        let producer = Producer(group: "P", client: connection)
        let receipt = try await producer.send(Message(topic: "T", body: Array("secret".utf8)))
        #expect(receipt.status == .ok)
        await connection.shutdown()
        await broker.shutdown()
        await nameserver.shutdown()
    }
}
