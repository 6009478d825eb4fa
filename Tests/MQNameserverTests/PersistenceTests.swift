import Foundation
import Logging
import MQNameserver
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import SystemPackage
import Testing

/// The key-value store's file, through the real port.
@Suite struct PersistenceTests {
    private let group = MultiThreadedEventLoopGroup.singleton
    private let quiet = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    private func configuration(_ file: String) -> NameserverConfiguration {
        var configuration = NameserverConfiguration(bindAddress: "127.0.0.1", listenPort: 0)
        configuration.keyValueFile = FilePath(file)
        return configuration
    }

    private func withNameserver(_ file: String, _ body: (RemotingClient, String) async throws -> Void) async throws {
        let service = NameserverService(configuration: configuration(file), group: group, logger: quiet)
        let address = try await service.start().hostPort
        let client = RemotingClient(group: group, logger: quiet)
        try await body(client, address)
        await client.shutdown()
        await service.shutdown()
    }

    @Test func keyValuesSurviveARestart() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("kv-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.path + "/kvConfig.json"
        try await withNameserver(file) { client, address in
            for (key, value) in [("a", "1"), ("b", "2 \"quoted\""), ("c", "3")] {
                let put = PutKeyValueRequestHeader(namespace: "n", key: key, value: value)
                let answer = try await client.call(.request(.putKVConfig, put), to: address, timeout: .seconds(10))
                #expect(answer.responseCode == .success)
            }
            let drop = KeyValueRequestHeader(namespace: "n", key: "c")
            _ = try await client.call(.request(.deleteKVConfig, drop), to: address, timeout: .seconds(10))
            // On the disk before the answer, in Apache's form.
            let saved = try String(contentsOfFile: file, encoding: .utf8)
            #expect(saved == #"{"configTable":{"n":{"a":"1","b":"2 \"quoted\""}}}"#)
        }
        try await withNameserver(file) { client, address in
            let get = KeyValueRequestHeader(namespace: "n", key: "b")
            let answer = try await client.call(.request(.getKVConfig, get), to: address, timeout: .seconds(10))
            #expect(answer.extFields["value"] == "2 \"quoted\"")
        }
        try "{ broken".write(toFile: file, atomically: true, encoding: .utf8)
        let error = await #expect(throws: (any Error).self) {
            try await NameserverService(configuration: configuration(file), group: group, logger: quiet).start()
        }
        #expect(error.map { "\($0)".contains(file) } == true)
    }

    @Test func aStoreThatCannotBeSavedIsNotSaidToBe() async throws {
        try await withNameserver("/proc/nowhere/kv.json") { client, address in
            let put = PutKeyValueRequestHeader(namespace: "n", key: "k", value: "v")
            let answer = try await client.call(.request(.putKVConfig, put), to: address, timeout: .seconds(10))
            #expect(answer.responseCode == .systemError && answer.remark?.contains("/proc/nowhere/kv.json") == true)
        }
    }

    @Test func aShorterExpiryTakesEffectWhileItRuns() async throws {
        let service = NameserverService(
            configuration: .init(bindAddress: "127.0.0.1", listenPort: 0), group: group, logger: quiet)
        let address = try await service.start().hostPort
        let client = RemotingClient(group: group, logger: quiet)
        let header = RegisterBrokerRequestHeader(
            brokerName: "a", brokerAddress: "h:1", clusterName: "c", haServerAddress: nil, brokerID: 0)
        _ = try await client.call(
            .request(.registerBroker, header, body: RegisterBrokerBody(table: TopicConfigTable()).encoded()),
            to: address, timeout: .seconds(10))
        #expect(service.clusterInfo.brokers.keys.sorted() == ["a"])
        let text = "brokerExpiredTime=1\nscanNotActiveBrokerInterval=20\n"
        _ = try await client.call(
            .request(.updateNamesrvConfig, body: ByteBuffer(string: text)), to: address, timeout: .seconds(10))
        let deadline = ContinuousClock.now.advanced(by: .seconds(8))
        while !service.clusterInfo.brokers.isEmpty, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(service.clusterInfo.brokers.isEmpty)
        await client.shutdown()
        await service.shutdown()
    }
}
