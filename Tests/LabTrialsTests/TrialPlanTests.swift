import LabChaos
import LabHistory
import MQClient
import Testing

@testable import LabTrials

@Suite struct SignalNameTests {
    @Test(arguments: [("KILL", 9), ("SIGKILL", 9), ("TERM", 15), ("STOP", 19), ("WINCH", 28)])
    func known(_ name: String, _ number: Int32) {
        #expect(SignalName.number(name) == number)
    }

    @Test(arguments: ["", "kill", "SIG", "9", "NOSUCH"])
    func unknown(_ name: String) {
        #expect(SignalName.number(name) == nil)
    }
}

@Suite struct RunIDTests {
    @Test func sortsByTimeAndNamesLabAndProcess() {
        let early = RunID.make(atMilliseconds: 1_795_387_395_000, lab: "01-first-message", pid: 4711)
        let late = RunID.make(atMilliseconds: 1_795_387_396_000, lab: "01-first-message", pid: 42)
        #expect(early == "20261122T224315Z-01-first-message-4711")
        #expect(early < late)
    }
}

@Suite struct ProbeMessageTests {
    @Test func sameValueSameBody() {
        let probe = ProbeMessage(runID: "r", topic: "t", bodyBytes: 64, seed: 7)
        let first = probe.body(.init(producer: 1, sequence: 2))
        #expect(first == probe.body(.init(producer: 1, sequence: 2)))
        #expect(first.count == 64)
        #expect(String(decoding: first, as: UTF8.self).hasPrefix("r/p1-2/"))
    }

    @Test func anotherValueAnotherBody() {
        let probe = ProbeMessage(runID: "r", topic: "t", bodyBytes: 64, seed: 7)
        let bodies = (0..<100).map { probe.body(.init(producer: $0 % 3, sequence: $0)) }
        #expect(Set(bodies).count == 100)
    }

    @Test func aShortBodyStillNamesItsValue() {
        let probe = ProbeMessage(runID: "run", topic: "t", bodyBytes: 1, seed: 7)
        #expect(String(decoding: probe.body(.init(producer: 0, sequence: 3)), as: UTF8.self) == "run/p0-3/")
    }
}

@Suite struct RunManifestTests {
    static let manifest = RunManifest(
        runID: "r", lab: "l", mode: "m", seed: 1, startedAtMilliseconds: 0, state: .running, controllerPID: 7,
        lossAllowed: false, placement: [:], configurations: [:], clocks: [:], agentVersion: "")

    @Test func runningWithoutItsControllerWasKilled() {
        #expect(Self.manifest.wasKilled(isAlive: { _ in false }))
        #expect(!Self.manifest.wasKilled(isAlive: { $0 == 7 }))
    }

    @Test func whatEndedWasNotKilled() {
        var manifest = Self.manifest
        manifest.state = .aborted
        #expect(!manifest.wasKilled(isAlive: { _ in false }))
    }
}

@Suite struct ProbeOutcomeTests {
    @Test func onlyWhatCertainlyFailedIsFail() {
        #expect(ProbeProducer.completion(1, MQClientError.unreachable(address: "a", reason: "r")).outcome == .fail)
        #expect(ProbeProducer.completion(1, MQClientError.topicNotFound(topic: "t")).outcome == .fail)
        #expect(ProbeProducer.completion(1, MQClientError.noAnswer(address: "a", reason: "r")).outcome == .info)
        #expect(ProbeProducer.completion(1, MQClientError.unknownAfterRetry(last: "l")).outcome == .info)
        #expect(ProbeProducer.completion(1, CancellationError()).outcome == .info)
    }

    static let refusals: [(code: Int32, outcome: SendOutcome)] = [
        (1, .info), (2, .fail), (13, .fail), (14, .fail), (16, .fail), (17, .fail), (999, .info),
    ]

    /// SYSTEM_ERROR may come after the append; the other codes are given before it.
    @Test(arguments: refusals)
    func aRefusalIsOnlyAsCertainAsItsCode(_ refusal: (code: Int32, outcome: SendOutcome)) {
        let error = MQClientError.refused(address: "a", code: refusal.code, remark: "r")
        #expect(ProbeProducer.completion(1, error).outcome == refusal.outcome)
    }
}
