import Testing

@testable import LabChaos

@Suite struct PowerWitnessTests {
    private let witness = PowerWitness(uid: "power-1", storePath: "/srv/seatrial/broker-a/store")

    @Test func onlyTheSyncedBlockShowsThatTheRestWasLost() {
        let synced = PowerWitness.block("synced", uid: "power-1")
        #expect(synced.count == PowerWitness.bytes && witness.judge(synced).didLose)
        let unsynced = witness.judge(PowerWitness.block("unsynced", uid: "power-1"))
        #expect(!unsynced.didLose && unsynced.evidence.contains("never synced is on the disk all the same"))
        for other in [[], PowerWitness.block("synced", uid: "power-2"), Array(synced.dropLast()), synced + [0]] {
            let shown = witness.judge(other)
            #expect(!shown.didLose && shown.evidence.contains("is damaged"))
        }
        var torn = synced
        torn[4000] ^= 1
        #expect(!witness.judge(torn).didLose)
    }
}
