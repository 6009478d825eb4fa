import Foundation
import Glibc
import MQStore
import MQTransport
import MQWire
import NIOCore
import SystemPackage
import Testing

@testable import MQBroker

/// `failoverPolicy=heartbeat`: a slave promotes itself when the nameservers no longer list its master.
@Suite struct HeartbeatFailoverTests {
    private static let policy = "failoverPolicy=heartbeat"

    /// The master is killed: its slave is the master soon, has all that was acknowledged, and begins a new epoch. The old one
    /// comes back as the slave. Then the same the other way round, with an end that only one of them has: it is cut there,
    /// kept aside, and the other one's is copied.
    @Test func aSlaveBecomesTheMasterAndTheOldOneFollows() async throws {
        try await GroupOfDaemons.run(of: 2, Self.policy) { group in
            try group.start(1)
            try group.start(2)
            #expect(await group.isSettled(master: 1, slaves: [2]))
            #expect(await group.isAcknowledged("first", by: 1))
            for index in 0..<50 { #expect(await group.send("m\(index)", to: 1)?.0 == .success) }
            let sent = await group.bodies(1)
            #expect(await group.runtime(1)["logEpoch"] == "1")
            let refused = await group.send("no", to: 2)
            #expect(refused?.0 == .serviceNotAvailable && refused?.1.contains("slave") == true)

            group.end(1, SIGKILL)
            #expect(await eventually { await group.listed() == [0: 2] })
            // Nobody has a copy of it yet, but it is taken.
            #expect(await eventually { await group.send("alone", to: 2)?.0 == .slaveNotAvailable })
            #expect(await group.runtime(2)["logEpoch"] == "2")
            #expect(await group.bodies(2).prefix(sent.count) == sent[...])

            try group.start(1)
            #expect(await group.isSettled(master: 2, slaves: [1]))
            #expect(await group.isAcknowledged("together", by: 2))
            let all = await group.bodies(2)
            #expect(await eventually { await group.bodies(1) == all })
            #expect(await group.runtime(1)["cutBytes"] == "0")

            group.end(1, SIGKILL)
            #expect(await eventually { await group.send("weak", to: 2)?.0 == .slaveNotAvailable })
            group.end(2, SIGKILL)
            try group.start(1)
            #expect(await eventually { await group.listed() == [0: 1] })
            #expect(await eventually { await group.send("other", to: 1)?.0 == .slaveNotAvailable })
            try group.start(2)
            #expect(await group.isSettled(master: 1, slaves: [2]))
            #expect(await eventually { await group.bodies(2).suffix(1) == ["other"] })
            let (one, two) = (await group.bodies(1), await group.bodies(2))
            #expect(one == two && !two.contains("weak") && one.prefix(all.count) == all[...])
            let runtime = await group.runtime(2)
            #expect(Int64(runtime["cutBytes"] ?? "") ?? 0 > 0)
            var kept: [String] = []
            let store = FilePath(group.folder(2).appendingPathComponent("store").path)
            _ = try StoreScanner(root: store.appending("cut").appending(runtime["lastCut"] ?? "")).scan {
                kept.append(String(buffer: $0.record.body))
            }
            #expect(kept.contains("weak"))
        }
    }
}
