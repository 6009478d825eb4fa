import LabCluster
import Testing

@testable import LabTrials

/// What brokers and nameservers say, and what is made of it.
@Suite struct ClusterViewTests {
    /// A group of three behind two nameservers, whole unless changed.
    private static func view(_ change: (inout ClusterView) -> Void = { _ in }) -> ClusterView {
        var view = ClusterView(brokers: [], nameservers: ["ns-1", "ns-2"], silent: [:])
        for number in 1...3 {
            var broker = ClusterView.Broker(name: "b\(number)", host: "n\(number)", address: "a:\(number)")
            var said = [
                "groupRole": number == 1 ? "mastering" : "following", "replicaId": "\(number)", "logEpoch": "4",
                "inSyncReplicas": "1,2,3", "refusesWrites": number == 1 ? "" : "notMaster",
                "commitLogMaxOffset": "900", number == 1 ? "slaveBehindBytes" : "masterAheadBytes": "7",
                "slaveBehindMilliseconds": number == 1 ? "12" : "-1",
            ]
            if number != 1 { said["followsMaster"] = "true" }
            broker.take(said)
            broker.group = "g"
            broker.listed = ["ns-1": number == 1 ? 0 : Int64(number), "ns-2": number == 1 ? 0 : Int64(number)]
            view.brokers.append(broker)
        }
        change(&view)
        return view
    }

    private static func missing(_ view: ClusterView, isWhole: Bool = true) -> String? {
        GroupSetUp.missing("g", ["b1", "b2", "b3"], in: view, isWhole: isWhole)
    }

    @Test func aWholeGroupLacksNothing() { #expect(Self.missing(Self.view()) == nil) }

    /// Each thing that can be missing is named; and whoever is alone is enough where nobody asks for more.
    @Test func whatAGroupLacksIsNamed() throws {
        let rows: [(String, (inout ClusterView) -> Void)] = [
            ("group 'g' has no master", { $0.brokers[0].role = "waiting" }),
            ("has 2 masters: b1, b2", { $0.brokers[1].role = "master" }),
            ("b1, refuses: leaseOver", { $0.brokers[0].refuses = "leaseOver" }),
            ("not every nameserver lists b1", { $0.brokers[0].listed["ns-2"] = nil }),
            ("b3 does not follow b1", { $0.brokers[2].isLinked = false }),
            ("b2 does not follow b1", { $0.brokers[1].role = nil }),
            ("b3 is not in the in-sync set", { $0.brokers[0].inSync = ["1", "2"] }),
        ]
        for (words, change) in rows {
            let missing = try #require(Self.missing(Self.view(change)), "\(words)")
            #expect(missing.contains(words), "\(missing)")
        }
        for (_, change) in rows.suffix(3) { #expect(Self.missing(Self.view(change), isWhole: false) == nil) }
    }

    @Test func theTableSaysWhoIsWhat() {
        let view = Self.view {
            $0.brokers[1].listed["ns-2"] = nil
            $0.brokers[2] = ClusterView.Broker(name: "b3", host: "n3", address: "a:3")
            $0.silent["b3"] = "a:3 gave no answer"
        }
        let lines = view.description.split(separator: "\n").map(String.init)
        #expect(
            lines == [
                "BROKER  OF  ROLE       EPOCH  IN SYNC  LOG END  BEHIND      NAMESERVERS SAY",
                "b1 (1)  g   master     4      1,2,3    900      7 B, 12 ms  2 of 2: master",
                "b2 (2)  g   slave      4      1,2,3    900      7 B         ns-2: not there; ns-1: slave 2",
                "b3      -   no answer  -      -        -        -           2 of 2: not there",
                "'b3' does not answer: a:3 gave no answer",
            ], "\(view)")
    }

    /// A pair whose master is fixed says it in other words.
    @Test func aFixedPairIsRead() {
        var master = ClusterView.Broker(name: "m", host: "n", address: "a:1")
        master.take(["logEpoch": "1", "slaves": "x=1", "slaveBehindBytes": "-1"])
        #expect(master.role == "master" && master.behindBytes == nil && master.inSync == nil)
        var slave = ClusterView.Broker(name: "s", host: "n", address: "a:2")
        slave.take(["logEpoch": "1", "followsMaster": "false", "masterAheadBytes": "5"])
        #expect(slave.role == "slave" && !slave.isLinked && slave.behindBytes == 5)
    }
}
