/// The rules of the checkers, each of which can be switched off.
///
/// Switching off is for tests alone: they show for each rule that some history is judged differently without it,
/// so that a rule that never decides anything is noticed.
package struct Rules: Sendable {
    package enum Rule: Int, CaseIterable, Sendable {
        case undrained, unscanned, acknowledgedQueuesNeedDrain, drainKeepsItsCount, drainBeginsSomewhere
        case planMissing, plannedFault, plannedScan
        case lost, lostNeedsScan, lostNeedsDrain, undelivered, unseen, weakIsNoPromise, damagedIsNoSurvivor
        case tailHasNoHole, tailIsBounded, tailNeedsPlaces, tailKnowsSenders
        case recovered
        case neverSent, otherRun, abortedRead, unknownMayHaveHappened, storedUnasked
        case corrupted, unreadable, damaged
        case duplicateOffset, duplicateDelivery, duplicateInLog, drainMakesNoDuplicate
        case inconsistentOffset, lossExplainsReuse, weakReuse, misplaced
        case nonMonotonicSend, concurrentSendsAreUnordered
        case pollSkip, backwardPoll, newAssignmentResets
        case outage
        case didNotBite, stuck, expired, openEnded, emptyWindow
        case noEnd, brokenEnd, emptyHistory, malformed, refused
        case damageExplains, lineCount, interruptedEnd
    }

    private var off: UInt64 = 0

    package static let all = Rules()

    package func without(_ rule: Rule) -> Rules {
        var rules = self
        rules.off |= 1 << UInt64(rule.rawValue)
        return rules
    }

    func has(_ rule: Rule) -> Bool { off & 1 << UInt64(rule.rawValue) == 0 }
}
