import FoundationEssentials
import Glibc
import SystemPackage
import Testing

@testable import LabAgent

@Suite struct ProtocolTests {
    static let requests: [AgentRequest] = [
        .hello(protocolVersion: 1, agentVersion: "abc"), .clock,
        .daemonStart(DaemonSpec(name: "b1", executable: "bin/mqbroker", readiness: .init(port: 10911))),
        .daemonStop(name: "b1", graceMilliseconds: 100), .logRead(daemon: "b1", offset: -10, limit: 10),
        .run(RunRequest(arguments: ["true"], standardInput: [0, 255])),
        .fileWrite(path: "a", content: AgentBytes([0, 1, 254]), mode: 0o600),
        .faultInject(FaultLoan(uid: "f1", kind: .processSignal(daemon: "b1", signal: 9), ttlMilliseconds: 1)),
        .faultHealAll, .destroy(graceMilliseconds: 0),
    ]

    @Test(arguments: requests) func requestsSurviveTheWire(_ request: AgentRequest) throws {
        let frame = try AgentFrame.encode(AgentRequestEnvelope(id: 7, request: request))
        for size in [1, 3, frame.count] {
            var decoder = AgentFrameDecoder()
            var bodies: [[UInt8]] = []
            for start in stride(from: 0, to: frame.count, by: size) {
                decoder.feed(Array(frame[start..<min(start + size, frame.count)]))
                while let body = try decoder.next() { bodies.append(body) }
            }
            #expect(bodies.count == 1 && !decoder.isMidFrame)
            let envelope = try AgentFrame.decode(AgentRequestEnvelope.self, from: try #require(bodies.first))
            #expect(envelope.id == 7 && envelope.request == request)
        }
    }

    @Test func aLengthOverTheLimitEndsTheChannel() {
        var decoder = AgentFrameDecoder()
        decoder.feed([0x01, 0x00, 0x00, 0x01])
        #expect(throws: AgentFailure.self) { _ = try decoder.next() }
    }

    @Test func aCutFrameIsSeen() throws {
        var decoder = AgentFrameDecoder()
        decoder.feed([0, 0, 0, 5, 1])
        #expect(try decoder.next() == nil && decoder.isMidFrame)
    }

    @Test func theShortestExchangeCalibrates() throws {
        let calibration = try #require(
            ClockCalibration(samples: [
                .init(sent: 0, host: 5_000, received: 100), .init(sent: 200, host: 5_205, received: 210),
                .init(sent: 400, host: 0, received: 300),
            ]))
        #expect(calibration.offsetNanoseconds == 5_000)
        #expect(calibration.errorNanoseconds == 6)
        #expect(ClockCalibration(samples: []) == nil)
    }
}

@Suite struct DecisionTests {
    static let undos: [(FaultKind, FaultUndo?, LoanRules.Expectation)] = [
        (.processSignal(daemon: "b", signal: SIGKILL), .startDaemon("b"), .gone),
        (.processSignal(daemon: "b", signal: SIGTERM), .startDaemon("b"), .gone),
        (.processSignal(daemon: "b", signal: SIGSTOP), .continueDaemon("b"), .stopped),
        (.processSignal(daemon: "b", signal: SIGCONT), nil, .nothing),
        (.storeWipe(path: "store"), nil, .empty),
        (.processRestart(daemon: "b", signal: SIGTERM), .startDaemon("b"), .gone),
        (.crashLoop(daemon: "b", upMilliseconds: 1_000), .startDaemon("b"), .gone),
        (
            .network(NetworkFault(answer: .drop, rules: [NetworkRule(.incoming, peer: "192.0.2.1")])),
            .removeTable("seatrial_v1_\(NetworkScript.tag("/r"))_f"), .cut
        ),
    ]

    @Test(arguments: undos)
    func eachDeedHasItsUndo(
        _ kind: FaultKind, _ undo: FaultUndo?, _ expectation: LoanRules.Expectation
    ) {
        let loan = FaultLoan(uid: "f", kind: kind, ttlMilliseconds: 1)
        if let undo {
            #expect(LoanRules.undo(loan, root: "/r") == undo)
        } else {
            guard case .nothing = LoanRules.undo(loan, root: "/r") else {
                Issue.record("\(kind) has an undo")
                return
            }
        }
        #expect(LoanRules.expectation(kind) == expectation)
    }

    @Test func aLoanRunsThroughItsLife() {
        let loan = FaultLoan(uid: "f", kind: .processSignal(daemon: "b", signal: 9), ttlMilliseconds: 5)
        var record = LoanRules.arm(loan, root: "/r", realtime: 10, boot: 100, bootID: "a")
        #expect(record.state == .armed && record.bit == nil && record.expiresAtBoot == 5_000_100)
        #expect(record.remaining(boot: 5_000_000, bootID: "a") == 100)
        #expect(
            record.remaining(boot: 6_000_000, bootID: "a") == 0
                && record.remaining(boot: 1, bootID: "b") == 0)
        record.didDeed(at: 20, DeedOutcome(bit: true), seenAt: 30)
        #expect(record.state == .active && record.deedAt == 20 && record.activeAt == 30)
        record.didStick("no")
        #expect(record.state == .stuck && record.message == "no")
        record.didHeal(at: 40, expired: true)
        #expect(record.state == .healed && record.healedAt == 40 && record.expired == true)
    }

    static func network(_ rules: [NetworkRule], _ probes: [NetworkProbe] = []) -> FaultLoan {
        FaultLoan(
            uid: "x", kind: .network(NetworkFault(answer: .drop, rules: rules, probes: probes)),
            ttlMilliseconds: 1)
    }

    static let pauses: [(failures: Int, elapsed: Int64, pause: Int64?)] = [
        (1, 0, 500), (2, 500, 1_000), (3, 1_500, 2_000), (7, 0, 30_000), (1_000_000, 0, 30_000),
        (3, AgentLimits.faultTimerMilliseconds - 1, 2_000), (3, AgentLimits.faultTimerMilliseconds, nil),
    ]

    @Test(arguments: pauses)
    func aTimerTriesAgainWithGrowingPauses(_ row: (failures: Int, elapsed: Int64, pause: Int64?)) {
        #expect(
            LoanRules.timerPauseMilliseconds(failures: row.failures, afterMilliseconds: row.elapsed) == row.pause)
    }

    @Test(arguments: [
        FaultLoan(uid: "", kind: .storeWipe(path: "s"), ttlMilliseconds: 1),
        FaultLoan(uid: "../x", kind: .storeWipe(path: "s"), ttlMilliseconds: 1),
        FaultLoan(uid: "x", kind: .storeWipe(path: "s"), ttlMilliseconds: 0),
        FaultLoan(uid: "x", kind: .storeWipe(path: "s"), ttlMilliseconds: .max),
        FaultLoan(uid: "x", kind: .processSignal(daemon: "b", signal: 65), ttlMilliseconds: 1),
        network([]),
        network([NetworkRule(.incoming, peer: "n1; flush ruleset")]),
        network([NetworkRule(.incoming, peer: "192.0.2.1", ports: .local([]))]),
        // It would be silent whatever the rules.
        network([NetworkRule(.incoming, peer: "192.0.2.1")], [NetworkProbe(address: "192.0.2.2")]),
        network(
            [NetworkRule(.incoming, peer: "192.0.2.1", ports: .remote([1]))],
            [NetworkProbe(address: "192.0.2.1", port: 2)]),
    ]) func badLoansAreRefused(_ loan: FaultLoan) {
        #expect(throws: AgentFailure.self) { try LoanRules.validate(loan) }
    }

    @Test func aReusedProcessIDIsNotTheDaemon() {
        let record = DaemonRecord(
            spec: DaemonSpec(name: "b", executable: "/b"), process: .init(pid: 5, startTicks: 100), wanted: true)
        let same = ProcessTable.Entry(identity: .init(pid: 5, startTicks: 100), state: "S")
        let other = ProcessTable.Entry(identity: .init(pid: 5, startTicks: 101), state: "S")
        let stopped = ProcessTable.Entry(identity: .init(pid: 5, startTicks: 100), state: "T")
        let zombie = ProcessTable.Entry(identity: .init(pid: 5, startTicks: 100), state: "Z")
        #expect(record.status(same).state == .running)
        #expect(record.status(other).state == .exited)
        #expect(record.status(stopped).state == .stopped)
        #expect(record.status(zombie).state == .exited)
        #expect(record.status(nil).state == .exited)
    }

    @Test func theKernelsLineIsParsedWhateverTheName() {
        let stat = "42 (a) b (c)) T 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0"
        #expect(
            ProcessTable.parse(stat, pid: 42) == .init(identity: .init(pid: 42, startTicks: 777), state: "T"))
        #expect(ProcessTable.parse("42 (cut", pid: 42) == nil)
    }
}
