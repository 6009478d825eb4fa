import Testing

@testable import LabChaos

@Suite struct FaultMachineTests {
    typealias Input = FaultMachine.Input
    typealias Action = FaultMachine.Action

    struct Walk: Sendable, CustomTestStringConvertible {
        var name: String
        var inputs: [Input]
        var actions: [Action]
        var end: FaultMachine.State
        var open: Bool
        var testDescription: String { name }
    }

    static let walks: [Walk] = [
        Walk(
            name: "bites and heals", inputs: [.asked, .armed, .bit(evidence: "gone"), .undone(evidence: "back")],
            actions: [.inject, .recordArmed, .recordActive("gone"), .recordHealed("back")],
            end: .healed(evidence: "back"),
            open: false),
        Walk(
            name: "does not bite, is undone all the same",
            inputs: [.asked, .armed, .didNotBite(evidence: "alive"), .undone(evidence: "alive")],
            actions: [.inject, .recordArmed, .recordIneffective("alive"), .recordHealed("alive")],
            end: .healed(evidence: "alive"),
            open: false),
        Walk(
            name: "bites at first sight, and a later look shows that it did not",
            inputs: [
                .asked, .armed, .bit(evidence: "silent"), .didNotBite(evidence: "kept"), .undone(evidence: "back"),
            ],
            actions: [
                .inject, .recordArmed, .recordActive("silent"), .recordIneffective("kept"), .recordHealed("back"),
            ], end: .healed(evidence: "back"), open: false),
        Walk(
            name: "is stuck, then freed",
            inputs: [
                .asked, .armed, .bit(evidence: "gone"), .undoFailed(reason: "port taken"), .undone(evidence: "back"),
            ],
            actions: [.inject, .recordArmed, .recordActive("gone"), .recordStuck("port taken"), .recordHealed("back")],
            end: .healed(evidence: "back"), open: false),
        Walk(
            name: "stays open while stuck",
            inputs: [.asked, .armed, .bit(evidence: "gone"), .undoFailed(reason: "no")],
            actions: [.inject, .recordArmed, .recordActive("gone"), .recordStuck("no")], end: .stuck(reason: "no"),
            open: true),
        Walk(
            name: "undone before it bit", inputs: [.asked, .armed, .undone(evidence: "nothing done")],
            actions: [.inject, .recordArmed, .recordHealed("nothing done")], end: .healed(evidence: "nothing done"),
            open: false),
        Walk(
            name: "expires before its heal",
            inputs: [.asked, .armed, .bit(evidence: "a"), .expired(evidence: "b"), .undone(evidence: "c")],
            actions: [.inject, .recordArmed, .recordActive("a"), .recordExpired("b"), .ignore("already healed")],
            end: .healed(evidence: "b"), open: false),
        Walk(
            name: "is stuck, and the timer frees it",
            inputs: [.asked, .armed, .bit(evidence: "a"), .undoFailed(reason: "no"), .expired(evidence: "b")],
            actions: [.inject, .recordArmed, .recordActive("a"), .recordStuck("no"), .recordHealed("b")],
            end: .healed(evidence: "b"), open: false),
        Walk(
            name: "is refused", inputs: [.asked, .refused(reason: "no such daemon"), .undone(evidence: "a")],
            actions: [
                .inject, .recordRefused("no such daemon"),
                .ignore("undone(evidence: \"a\") in state refused(reason: \"no such daemon\")"),
            ], end: .refused(reason: "no such daemon"), open: false),
        Walk(
            name: "was asked for, and nobody knows", inputs: [.asked, .undoFailed(reason: "no answer")],
            actions: [.inject, .recordStuck("no answer")], end: .stuck(reason: "no answer"), open: true),
        Walk(
            name: "undone twice",
            inputs: [.asked, .armed, .bit(evidence: "a"), .undone(evidence: "b"), .undone(evidence: "c")],
            actions: [.inject, .recordArmed, .recordActive("a"), .recordHealed("b"), .ignore("already healed")],
            end: .healed(evidence: "b"), open: false),
    ]

    @Test(arguments: walks) func walk(_ walk: Walk) {
        var machine = FaultMachine()
        #expect(walk.inputs.map { machine.handle($0) } == walk.actions)
        #expect(machine.state == walk.end)
        #expect(machine.isOpen == walk.open)
    }

    @Test func nothingBitesBeforeItIsArmed() {
        var machine = FaultMachine()
        guard case .ignore = machine.handle(.bit(evidence: "x")) else {
            Issue.record("a fault bit whose undo was not yet on disk")
            return
        }
        #expect(machine.state == .uninitialised)
    }
}
