import Foundation
import Glibc
import MQTransport
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MQEtcd

/// The client against a real etcd.
@Suite struct EtcdClientTests {
    private static func client(_ endpoints: [String], prefix: String = "/t/") throws -> EtcdClient {
        EtcdClient(
            endpoints: try endpoints.map { try HostPort($0) }, prefix: prefix, timeout: .seconds(3),
            group: MultiThreadedEventLoopGroup.singleton)
    }

    @Test func aChangeComparesFirst() async throws {
        let etcd = try await EtcdProcess()
        let client = try Self.client([etcd.endpoint])
        let beside = try Self.client([etcd.endpoint], prefix: "/t0/")
        #expect(try await client.read().values.isEmpty)
        let first = try await client.change([.put(key: "a", "ä€=\u{1}")], where: [.version(key: "a", 0)])
        #expect(first.isDone && first.state.values["a"] == EtcdValue(value: "ä€=\u{1}", version: 1, lease: nil))
        _ = try await beside.change([.put(key: "a", "another")], where: [])
        let again = try await client.change([.put(key: "a", "y")], where: [.version(key: "a", 0)])
        #expect(!again.isDone && again.state.values == first.state.values)
        #expect(again.state.revision > first.state.revision)
        let both: [EtcdChange] = [.put(key: "b", ""), .delete(key: "a")]
        #expect(try await !client.change(both, where: [.version(key: "a", 1), .value(key: "a", "x")]).isDone)
        let done = try await client.change(both, where: [.version(key: "a", 1), .value(key: "a", "ä€=\u{1}")])
        #expect(done.isDone && done.state.values == ["b": EtcdValue(value: "", version: 1, lease: nil)])
        #expect(try await beside.read().values.keys.sorted() == ["a"])
    }

    /// A lease that is not renewed ends, and its keys with it; one that is over says so.
    @Test func aKeyEndsWithItsLease() async throws {
        let etcd = try await EtcdProcess()
        let client = try Self.client([etcd.endpoint])
        let lease = try await client.grant(seconds: 2)
        let put = try await client.change([.put(key: "m", "1", lease: lease)], where: [])
        #expect(put.state.values["m"]?.lease == lease)
        #expect(try await client.change([], where: [.lease(key: "m", lease)]).isDone)
        #expect(try await !client.change([], where: [.lease(key: "m", lease + 1)]).isDone)
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .seconds(3) {
            #expect(try await client.renew(lease)?.values["m"] != nil)
            try await Task.sleep(for: .milliseconds(300))
        }
        while try await client.read().values["m"] != nil {
            try #require(ContinuousClock.now - start < .seconds(20))
            try await Task.sleep(for: .milliseconds(50))
        }
        #expect(try await client.renew(lease) == nil)
        try await client.revoke(lease)
        await #expect(throws: EtcdError.self) {
            _ = try await client.change([.put(key: "m", "1", lease: lease)], where: [])
        }
        let next = try await client.grant(seconds: 60)
        _ = try await client.change([.put(key: "m", "2", lease: next)], where: [])
        try await client.revoke(next)
        #expect(try await client.read().values.isEmpty)
    }

    @Test func aWatchTellsOfChanges() async throws {
        let etcd = try await EtcdProcess()
        let client = try Self.client([etcd.endpoint])
        let (changes, changed) = AsyncStream.makeStream(of: Void.self)
        let task = Task { try await client.watch(silence: .seconds(60)) { changed.yield() } }
        var iterator = changes.makeAsyncIterator()
        // That it stands, and each change.
        await iterator.next()
        for number in 0..<3 {
            _ = try await client.change([.put(key: "k", "\(number)")], where: [])
            await iterator.next()
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    /// An endpoint that refuses, or says nothing, is left for the next one.
    @Test func anotherEndpointIsAsked() async throws {
        let (first, second) = try await (EtcdProcess(), EtcdProcess())
        // Who listens may have no leader yet.
        for etcd in [first, second] { _ = try await Self.client([etcd.endpoint]).read() }
        let client = EtcdClient(
            endpoints: [try HostPort("127.0.0.1:1"), try HostPort(first.endpoint), try HostPort(second.endpoint)],
            prefix: "/t/", timeout: .milliseconds(500), group: MultiThreadedEventLoopGroup.singleton)
        _ = try await client.change([.put(key: "who", "first")], where: [])
        first.signal(SIGSTOP)
        #expect(try await client.read().values.isEmpty)
        first.signal(SIGCONT)
        second.signal(SIGKILL)
        #expect(try await client.read().values["who"]?.value == "first")
    }

    @Test func base64IsAsOthersWriteIt() {
        for text in ["", "f", "fo", "foo", "foob", "fooba", "foobar", "ä€\u{10FFFF}"] {
            let encoded = Data(text.utf8).base64EncodedString()
            #expect(Base64.encode(text) == encoded && Base64.decode(encoded) == text)
        }
        for text in ["a", "Zg!", "/w==", "Zm9vY"] { #expect(Base64.decode(text) == nil, "\(text)") }
    }
}
