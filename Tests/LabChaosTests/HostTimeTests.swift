import Testing

@testable import LabAgent
@testable import LabChaos

@Suite struct HostTimeTests {
    struct Row: Sendable {
        var host: Int64
        var offset: Int64
        var known: Int64
        var expected: Int64
    }

    static let rows = [
        Row(host: 5_100, offset: 5_000, known: 900, expected: 100),
        Row(host: 100, offset: -400, known: 900, expected: 500),
        // Nothing is known before it happens, and nothing happens before the run begins.
        Row(host: 6_000, offset: 5_000, known: 900, expected: 900),
        Row(host: 4_000, offset: 5_000, known: 900, expected: 0),
    ]

    @Test(arguments: rows) func aHostsReadingBecomesTheRuns(_ row: Row) {
        let calibration = ClockCalibration(offsetNanoseconds: row.offset, errorNanoseconds: 7)
        let time = HostTime(host: row.host, calibration, notAfter: row.known)
        #expect(time == HostTime(nanoseconds: row.expected, errorNanoseconds: 7))
    }

    static let endings: [(FaultState, Bool?, FaultMachine.Input)] = [
        (.healed, false, .undone(evidence: "gone 2 ms after it was armed")),
        (.healed, true, .expired(evidence: "gone 2 ms after it was armed")),
        (.healed, nil, .undone(evidence: "gone 2 ms after it was armed")),
        (.stuck, nil, .undoFailed(reason: "gone 2 ms after it was armed")),
    ]

    @Test(arguments: endings)
    func whoUndidItIsTold(_ state: FaultState, _ expired: Bool?, _ input: FaultMachine.Input) throws {
        let loan = FaultLoan(uid: "u", kind: .storeWipe(path: "s"), ttlMilliseconds: 1)
        let order = try FaultOrder(
            FaultPlan(id: "u", kind: .pause, target: "broker-a", ttlSeconds: 1), on: Fixtures.roster, seed: 1)
        let record = FaultRecord(
            loan: loan, undo: .continueDaemon("d"), state: state, bit: true, armedAt: 0, deedAt: nil, activeAt: nil,
            healedAt: 2_000_000, expiresAtBoot: 0, bootID: "", timer: nil, expired: expired, message: nil,
            unanswered: nil)
        #expect(FaultSession.ending([record], of: order) == input)
    }
}
