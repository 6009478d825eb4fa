import Foundation
import Glibc
import MQEtcd
import MQReplication
import MQTransport
import MQWire
import NIOCore
import Testing

@testable import MQBroker

/// `failoverPolicy=etcd`, with real brokers and a real etcd: who acknowledges is the only one, and what it acknowledged stays.
@Suite(.serialized) struct EtcdFailoverTests {
    /// Three brokers that wait for a second one's copy, settled with the founder as the master.
    private static func group(
        flush: String = "ASYNC_FLUSH", _ body: (GroupOfDaemons, EtcdProcess) async throws -> Void
    ) async throws {
        let etcd = try await EtcdProcess()
        let settings = """
            failoverPolicy=etcd
            etcdEndpoints=\(etcd.endpoint)
            leaseTimeMills=2000
            minInSyncReplicas=2
            flushDiskType=\(flush)
            syncFlushTimeout=2000
            """
        try await GroupOfDaemons.run(of: 3, settings) { group in
            for number in 1...3 { try group.start(number) }
            #expect(await group.isSettled(master: 1, slaves: [2, 3]))
            #expect(await eventually { await group.runtime(1)["inSyncReplicas"] == "1,2,3" })
            try await body(group, etcd)
        }
    }

    /// Sends so many messages to the master, all of which have to be acknowledged.
    private static func send(_ count: Int, _ name: String, to master: Int, _ group: GroupOfDaemons) async -> [String] {
        var acknowledged: [String] = []
        for index in 0..<count {
            let code = await group.send("\(name)-\(index)", to: master)
            #expect(code?.0 == .success, "\(name)-\(index): \(String(describing: code))")
            if code?.0 == .success { acknowledged.append("\(name)-\(index)") }
        }
        return acknowledged
    }

    /// The master other than this one, once there is one that acknowledges.
    private static func master(otherThan old: Int, _ group: GroupOfDaemons) async -> Int? {
        var found: Int?
        _ = await eventually {
            guard let master = await group.listed()[0], master != old,
                await group.send("probe", to: master)?.0 == .success
            else { return false }
            found = master
            return true
        }
        return found
    }

    /// All of them are in every broker's queue, once, and the queues are the same.
    private static func holds(_ all: [String], _ group: GroupOfDaemons, _ brokers: [Int]) async -> Bool {
        await eventually {
            var queues: [[String]] = []
            for broker in brokers { queues.append(await group.bodies(broker).filter { $0 != "probe" }) }
            return queues.allSatisfy { queue in queue == queues[0] && Set(all).isSubset(of: queue) }
        }
    }

    /// Killed, and killed again: each time another broker serves in the next epoch with all that was acknowledged, and who comes
    /// back follows.
    @Test(arguments: ["ASYNC_FLUSH", "SYNC_FLUSH"]) func aKilledMasterIsReplaced(flush: String) async throws {
        try await Self.group(flush: flush) { group, _ in
            var all = await Self.send(50, "a", to: 1, group)
            var master = 1
            for round in 0..<2 {
                group.end(master, SIGKILL)
                let next = try #require(await Self.master(otherThan: master, group))
                all += await Self.send(20, "b\(round)", to: next, group)
                #expect(await group.runtime(next)["logEpoch"] == "\(round + 2)")
                try group.start(master)
                #expect(await group.isSettled(master: next, slaves: [1, 2, 3].filter { $0 != next }))
                #expect(await eventually { await group.runtime(next)["inSyncReplicas"] == "1,2,3" })
                #expect(await Self.holds(all, group, [1, 2, 3]))
                master = next
            }
        }
    }

    /// A master that was paused for longer than its lease acknowledges nothing when it goes on, and follows.
    @Test func aPausedMasterIsFenced() async throws {
        try await Self.group { group, _ in
            var all = await Self.send(20, "a", to: 1, group)
            group.signal(1, SIGSTOP)
            // It is in its queue when it goes on.
            let (client, address) = (group.client, group.address(1))
            async let stale = GroupOfDaemons.send("stale", at: address, through: client, timeout: .seconds(30))
            let next = try #require(await Self.master(otherThan: 1, group))
            all += await Self.send(20, "b", to: next, group)
            group.signal(1, SIGCONT)
            let answer = await stale
            #expect(answer?.0 != .success, "\(String(describing: answer))")
            #expect(await group.isSettled(master: next, slaves: [1, 2, 3].filter { $0 != next }))
            #expect(await Self.holds(all, group, [1, 2, 3]))
        }
    }

    /// Alone, a master refuses, and says why; with one follower back it goes on.
    @Test func tooFewRefuse() async throws {
        try await Self.group { group, _ in
            let all = await Self.send(20, "a", to: 1, group)
            group.end(2, SIGKILL)
            group.end(3, SIGKILL)
            #expect(
                await eventually {
                    let answer = await group.send("refused", to: 1)
                    return answer?.0 == .serviceNotAvailable
                        && answer?.1.contains("[IN_SYNC_REPLICAS_NOT_ENOUGH]") == true
                })
            try group.start(3)
            #expect(await group.isAcknowledged("again", by: 1))
            #expect(await Self.holds(all + ["again"], group, [1, 3]))
        }
    }

    /// Without etcd nobody serves for longer than a lease; with it, somebody does again, and nothing is lost.
    @Test func withoutALeaseNobodyServes() async throws {
        try await Self.group { group, etcd in
            let all = await Self.send(20, "a", to: 1, group)
            etcd.signal(SIGSTOP)
            #expect(await eventually { await group.send("refused", to: 1)?.0 == .serviceNotAvailable })
            for number in 2...3 { #expect(await group.send("refused", to: number)?.0 == .serviceNotAvailable) }
            etcd.signal(SIGCONT)
            let master = try #require(await Self.master(otherThan: 0, group))
            #expect(await group.isSettled(master: master, slaves: [1, 2, 3].filter { $0 != master }))
            #expect(await Self.holds(all, group, [1, 2, 3]))
        }
    }

    /// A planned hand-over under load: each send is acknowledged or certainly not stored, and none twice.
    @Test func anOperatorMovesTheMaster() async throws {
        try await Self.group { group, _ in
            let before = await Self.send(20, "a", to: 1, group)
            let request = RemotingCommand.request(.switchMaster, SwitchMasterRequestHeader(replicaID: 3))
            let start = ContinuousClock.now
            let answer = try await group.client.call(request, to: group.address(1), timeout: .seconds(5))
            #expect(answer.responseCode == .success, "\(answer.remark ?? "")")
            #expect(await eventually { await group.send("first", to: 3)?.0 == .success })
            print("a hand-over took \(ContinuousClock.now - start)")
            #expect(await group.isSettled(master: 3, slaves: [1, 2]))
            #expect(await group.bodies(3).filter { $0 != "first" } == before)
            let place = try DaemonPlace()
            let (tool, output, errors) = try place.process(
                "mqadmin", ["switchMaster", "-n", group.nameserverAddress, "--broker-name", "g", "--to", "2"])
            tool.waitUntilExit()
            #expect(
                tool.terminationStatus == 0,
                "\(String(decoding: errors.fileHandleForReading.availableData, as: UTF8.self))")
            #expect(
                String(decoding: output.fileHandleForReading.availableData, as: UTF8.self).contains("broker 2 of g"))
            #expect(await group.isSettled(master: 2, slaves: [1, 3]))
            let refused = try await group.client.call(request, to: group.address(1), timeout: .seconds(5))
            #expect(refused.responseCode == .systemError && refused.remark?.contains("not the master") == true)
        }
    }
}

/// What a group has in etcd, written and read.
@Suite struct GroupKeysTests {
    private static func seen(_ values: [String: EtcdValue]) -> EtcdSnapshot {
        EtcdSnapshot(revision: 70, term: 2, values: values)
    }

    @Test func whatIsWrittenIsRead() throws {
        let set = [2, 1].map { Replica(id: ReplicaID($0), incarnation: UInt64.max - UInt64($0)) }
        let epoch = Epoch(number: 9, mark: UInt64.max)
        let text = GroupKeys.text(epoch: epoch, inSync: set, heir: ReplicaID(2))
        let group = try GroupKeys.group(
            Self.seen([
                "state": EtcdValue(value: text, version: 5), "master": EtcdValue(value: "1", version: 1, lease: 77),
                "members/2": EtcdValue(value: GroupKeys.text(address: "b:1"), version: 1),
            ]))
        #expect(
            group
                == GroupState(
                    seenAt: 70, revision: 5, epoch: epoch, master: ReplicaID(1), lease: 77, heir: ReplicaID(2),
                    inSync: set.sorted()))
        #expect(try GroupKeys.group(Self.seen([:])) == GroupState(seenAt: 70))
    }

    @Test(arguments: ["", "{}", #"{"epoch":1,"mark":"x","inSync":[]}"#, #"{"epoch":1,"mark":"1","inSync":[{"id":1}]}"#])
    func whatCannotBeReadIsNotGuessed(text: String) {
        #expect(throws: GroupKeys.Illegible.self) {
            try GroupKeys.group(Self.seen(["state": EtcdValue(value: text, version: 1)]))
        }
        #expect(throws: GroupKeys.Illegible.self) {
            try GroupKeys.group(Self.seen(["master": EtcdValue(value: "one", version: 1)]))
        }
    }
}
