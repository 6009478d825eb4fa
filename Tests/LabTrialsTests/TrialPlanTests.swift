import FoundationEssentials
import Glibc
import LabHistory
import MQClient
import SystemPackage
import Testing

@testable import LabChaos
@testable import LabTrials

@Suite struct FaultDurationTests {
    static func plan(_ schedule: [TrialStep]) -> TrialPlan {
        TrialPlan(
            mode: "m", topic: TopicPlan(name: "t", queues: 1),
            workload: WorkloadPlan(producers: 1, ratePerSecond: 1, bodyBytes: 1, consumers: 1), schedule: schedule,
            drainTimeoutSeconds: 1, promises: PromisePlan(lost: .none))
    }

    static func fault(_ id: String, ttl: Double, kind: FaultPlan.Kind = .processSignal) -> TrialStep {
        .inject(FaultPlan(id: id, kind: kind, target: "broker-a", signal: "KILL", ttlSeconds: ttl))
    }

    static let kept: [[TrialStep]] = [
        [fault("a", ttl: 3), .phase("fault", seconds: 2.5), .heal("a"), .phase("after", seconds: 60)],
        [.phase("before", seconds: 60), fault("a", ttl: 3), .phase("fault", seconds: 2.5)],
        [fault("a", ttl: 1, kind: .storeWipe), .phase("fault", seconds: 2.5)],
    ]

    @Test(arguments: kept) func aFaultThatOutlastsItsPhasesIsFine(_ schedule: [TrialStep]) throws {
        try Self.plan(schedule).validateDurations()
    }

    /// The same seed is the same schedule, and other seeds are others, within what the plan leaves open.
    @Test func theSeedChoosesWhatThePlanLeavesOpen() {
        let plan = Self.plan([.phase("open", seconds: 1, upTo: 2), .phase("fixed", seconds: 3)])
        func seconds(_ seed: UInt64) -> [Double] {
            plan.drawn(seed: seed).schedule.compactMap {
                if case .phase(_, let seconds, nil) = $0 { seconds } else { nil }
            }
        }
        let drawn = (1...50 as ClosedRange<UInt64>).map(seconds)
        #expect(drawn == (1...50).map(seconds) && Set(drawn.map { $0[0] }).count == 50)
        #expect(drawn.allSatisfy { (1...2).contains($0[0]) && $0[1] == 3 })
        #expect(drawn.contains { $0[0] < 1.2 } && drawn.contains { $0[0] > 1.8 })
    }

    static let broken: [(schedule: [TrialStep], end: String)] = [
        ([fault("a", ttl: 2.5), .phase("fault", seconds: 1, upTo: 2.5), .heal("a")], "its heal is 2.5 s"),
        ([fault("a", ttl: 2.5), .phase("fault", seconds: 2.5), .heal("a")], "its heal is 2.5 s"),
        (
            [fault("a", ttl: 2), .phase("one", seconds: 1), .phase("two", seconds: 1.25), .heal("a")],
            "its heal is 2.25 s"
        ),
        (
            [fault("b", ttl: 9), fault("a", ttl: 2), .phase("fault", seconds: 4), .heal("b")],
            "the end of the schedule is 4.0 s"
        ),
    ]

    @Test(arguments: broken)
    func aFaultThatWouldEndByItselfIsRefused(_ row: (schedule: [TrialStep], end: String)) {
        do {
            try Self.plan(row.schedule).validateDurations()
            Issue.record("it was taken")
        } catch {
            #expect(error.code == .badPlan && error.message.contains(row.end), "\(error)")
            #expect(error.message.contains("fault 'a' has ttl_seconds 2"), "\(error)")
        }
    }
}

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

    /// By a lock, and not by the controller's number, which may be another process's by now.
    @Test func runningWithoutItsControllerWasKilled() throws {
        let runs = FileManager.default.temporaryDirectory.appendingPathComponent("runs-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: runs) }
        let folder = try RunFolder.create("r", under: FilePath(runs.path))
        var manifest = Self.manifest
        manifest.controllerPID = getpid()
        #expect(folder.wasKilled(manifest) && !folder.isAtWork)
        let work = try folder.beginWork()
        #expect(!folder.wasKilled(manifest) && folder.isAtWork)
        #expect(throws: TrialError.self) { try folder.beginWork() }
        work.end()
        #expect(folder.wasKilled(manifest))
        manifest.state = .aborted
        #expect(!folder.wasKilled(manifest))
    }

    @Test func aManifestOfBeforeTellsOfNoLogs() throws {
        var manifest = Self.manifest
        manifest.missingLogs = ["broker-a": "no such file"]
        let text = String(decoding: try JSONEncoder().encode(manifest), as: UTF8.self)
        #expect(text.contains(#""missingLogs":{"broker-a":"no such file"}"#))
        let old = try JSONEncoder().encode(Self.manifest)
        #expect(!String(decoding: old, as: UTF8.self).contains("missingLogs"))
        #expect(try JSONDecoder().decode(RunManifest.self, from: old).missingLogs == nil)
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
