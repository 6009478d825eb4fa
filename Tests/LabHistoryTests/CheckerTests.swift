import LabHistory
import Testing

@Suite struct CheckerTests {
    @Test(arguments: Fixture.all)
    func judgesAsItMust(_ fixture: Fixture) {
        let verdict = fixture.told().judge()
        var found: [AnomalyClass: Int] = [:]
        for finding in verdict.findings where finding.anomaly != .outage {
            found[finding.anomaly, default: 0] += finding.count
            #expect(finding.count > 0)
        }
        #expect(found == fixture.finds)
        #expect(verdict.status == fixture.status, "\(verdict.headline)")
    }

    /// A rule that decides no fixture could be broken without anyone noticing.
    @Test(arguments: Rules.Rule.allCases)
    func everyRuleDecidesSomeHistory(_ rule: Rules.Rule) {
        let noticed = Fixture.all.contains { fixture in
            let tale = fixture.told()
            return tale.judge() != tale.judge(Rules.all.without(rule))
        }
        #expect(noticed, "no fixture is judged differently without rule \(rule)")
    }

    @Test(arguments: Fixture.all.filter { $0.status == .fail })
    func aFailureHasItsWitness(_ fixture: Fixture) throws {
        let tale = fixture.told()
        let witness = try #require(tale.judge().witness)
        #expect(!witness.story.isEmpty)
        #expect(!witness.lines.isEmpty)
        #expect(witness.lines.allSatisfy { (1...tale.events.count).contains($0) })
        #expect(witness.lines == witness.lines.sorted())
    }

    @Test func failuresBeforeAnyFaultAreTold() {
        var tale = Tale(faults: ["crash"])
        tale.add(.phase("baseline"))
        tale.send(0, .fail)
        for sequence in 1..<4 {
            tale.send(sequence, offset: Int64(sequence))
            tale.deliver(sequence, offset: Int64(sequence))
        }
        tale.crash { $0.send(4, .fail) }
        tale.drain(first: 1, reached: 4, max: 4)
        tale.scan([1, 2, 3])
        tale.end()
        let verdict = tale.judge()
        let told = verdict.findings.filter { $0.anomaly == .outage }.map(\.summary)
        #expect(verdict.status == .pass && told.count == 2)
        #expect(told.first == "1 sends failed before any fault: nothing that was planned explains them")
    }

    /// What a fault is said not to have proved, by its edges.
    @Test(arguments: [
        ([FaultEdge.Edge.armed], "has no end"), ([.armed, .healed], "was not seen to bite;"),
        ([.armed, .expired], "was not seen to bite;"), ([.armed, .active, .expired], "ended by itself"),
        ([.armed, .stuck], "could not be undone"), ([.armed, .active, .stuck], "could not be undone"),
        ([.armed, .active, .didNotBite, .healed], "was not seen to bite ("),
        ([.asked, .refused], "could not be injected"),
    ])
    func aFaultWithoutProofIsToldForWhatItIs(_ edges: [FaultEdge.Edge], _ text: String) {
        var tale = Tale.healthy()
        for edge in edges {
            tale.fault(edge, uid: "wind", detail: edge == .didNotBite ? "it kept all" : "")
            if edge == .active { tale.send(4, .fail) }
        }
        tale.finish([0, 1, 2])
        let findings = tale.judge().findings.filter { $0.anomaly == .faultUnproven }
        #expect(findings.count == 1 && findings[0].summary.contains(text), "\(findings)")
    }

    @Test func aTornLineIsToldFromAMissingOne() {
        for (ending, text) in [
            (HistoryLines.Ending.whole, "has no last line"), (.torn(line: 9, bytes: 3), "a torn line"),
        ] {
            var tale = Tale.healthy()
            tale.ending = ending
            #expect(tale.judge().finding(.runIncomplete)?.summary.contains(text) == true)
        }
    }

    /// What was promised stands in the history; whoever judges it cannot permit a loss afterwards.
    @Test func theHistorysPromiseCountsAndNotTheCallers() {
        for isAllowed in [false, true] {
            var tale = Tale.healthy()
            tale.send(4, offset: 3)
            tale.finish([0, 1, 2])
            tale.promises = Promises(lossAllowed: !isAllowed)
            tale.permitLosses(isAllowed)
            let loss = tale.judge().finding(.lost)
            #expect(loss?.status == (isAllowed ? .pass : .fail))
        }
    }

    @Test func theWitnessOfALossTellsTheWholeStory() throws {
        var tale = Tale.healthy()
        tale.send(4, offset: 3)
        tale.send(5, offset: 4)
        tale.finish([0, 1, 2])
        let verdict = tale.judge()
        #expect(verdict.count(of: .lost) == 2)
        let witness = try #require(verdict.witness)
        #expect(
            witness.story == [
                "Message p0-4 was sent at 0.018 s (line 21) and acknowledged SEND_OK at 0.019 s (line 22) "
                    + "as offset 3 of queue 0 on broker-a.",
                "Fault crash (process-signal on broker-a on n2) was open from 0.013 s to 0.016 s.",
                "The log of broker-a ends at byte 900 with 3 records, not one of them this message (line 29).",
                "The reader of queue 0 on broker-a got to offset 3 of 3 and did not see it (line 25).",
            ])
        #expect(witness.value == Tale.value(4))
    }

    @Test func anOutageIsMeasuredFromTheFirstFailureToTheNextSuccess() throws {
        var tale = Tale()
        tale.send(0, offset: 0)
        tale.crash { tale in
            tale.wait(milliseconds: 10)
            tale.send(1, .fail)
            tale.wait(milliseconds: 2500)
            tale.send(2, .fail)
        }
        tale.wait(milliseconds: 100)
        tale.send(3, offset: 1)
        tale.send(4, offset: 2)
        let outage = try #require(tale.judge().outages.first)
        // Armed at 4 ms; the first failed attempt began at 16 ms; the next success came at 2,625 ms.
        #expect(outage.firstFailureNanoseconds == 16_000_000)
        #expect(outage.firstSuccessNanoseconds == 2_623_000_000)
        #expect(outage.nanoseconds == 2_607_000_000)
        #expect(outage.windows == 3)
        // The success before the fault says nothing of the outage.
        #expect(outage.windowsWithSuccess == 1)
    }

    @Test func aSuccessThatWasUnderWayEndsNoOutage() throws {
        var tale = Tale()
        tale.send(0, offset: 0)
        tale.crash { tale in
            let early = tale.invoke(1)
            tale.send(2, .fail)
            tale.complete(early, .ok, offset: 1)
        }
        #expect(try #require(tale.judge().outages.first).nanoseconds == nil)
    }

    @Test func countsAddUp() {
        var tale = Tale.healthy()
        tale.send(4, .weak, offset: 3)
        tale.send(5, .info)
        tale.invoke(6)
        tale.finish([0, 1, 2])
        let counts = tale.judge().counts
        #expect([counts.sent, counts.ok, counts.weak, counts.fail, counts.info] == [7, 3, 1, 1, 2])
        #expect([counts.delivered, counts.deliveredValues, counts.scannedRecords] == [3, 3, 3])
    }

    /// What a plan may ask a run to show: refusals and deliveries while a fault is open, and sends that work afterwards.
    @Test func countsKnowWhatWasUnderAFaultAndWhatAfterAll() {
        var tale = Tale(faults: ["crash", "wind"])
        tale.begin()
        tale.send(3, .fail)
        tale.fault(.armed)
        tale.fault(.active)
        let hanging = tale.invoke(4)
        tale.send(5, .fail)
        tale.send(6, .info)
        tale.deliver(2, offset: 2, assignment: 2)
        tale.deliver(2, offset: 2, isDrain: true)
        tale.fault(.active, uid: "wind")
        tale.fault(.healed)
        tale.send(7, .fail)
        tale.send(8, offset: 3)
        tale.fault(.expired, uid: "wind")
        tale.complete(hanging, .ok, offset: 4)
        tale.send(9, offset: 5)
        tale.send(10, .fail)
        tale.deliver(9, offset: 5)
        let counts = tale.judge().counts
        #expect([counts.refusedUnderFault, counts.deliveredUnderFault, counts.okAfterFaults] == [2, 1, 1])
    }

    @Test func theWorstStatusSpeaks() {
        let rising: [VerdictStatus] = [.pass, .inconclusive, .error, .fail]
        for (i, a) in rising.enumerated() {
            for (j, b) in rising.enumerated() { #expect(a.merged(with: b) == rising[max(i, j)]) }
        }
        #expect(VerdictStatus.allCases.map(\.exitStatus) == [0, 1, 2, 3])
    }

    @Test func aMillionEventsAreJudgedInBoundedMemory() {
        var judge = HistoryJudge(promises: Promises(lossAllowed: false))
        var line = 0
        func take(_ body: HistoryEvent.Body) {
            line += 1
            judge.consume(HistoryEvent(atNanoseconds: Int64(line) * 1000, body), line: line)
        }
        take(
            .run(
                RunHeader(
                    formatVersion: 2, runID: "r", seed: 1, startedAtMilliseconds: 0, topic: "t",
                    plan: PlanSize(faults: 0, scans: 0))))
        let messages = 333_000
        for sequence in 0..<messages {
            let value = ValueID(producer: sequence & 1, sequence: sequence >> 1)
            take(
                .invoke(
                    SendInvocation(operation: sequence, value: value, topic: "t", bodyHash: 5, bodyBytes: 128)))
            let stored = StoredAt(
                broker: "b", queueID: sequence & 3, queueOffset: Int64(sequence >> 2), uniqueID: "", offsetID: "")
            take(.complete(SendCompletion(operation: sequence, outcome: .ok, status: "SEND_OK", stored: stored)))
            take(
                .deliver(
                    Delivery(
                        consumer: 0, assignment: 0, broker: "b", queueID: sequence & 3,
                        queueOffset: Int64(sequence >> 2), value: value, runID: "r", bodyHash: 5)))
        }
        take(.end(RunEnd(completed: true, detail: "")))
        #expect(line > 999_000)
        let verdict = judge.verdict()
        // Nobody drained or scanned: nothing is missing, and nothing is proved.
        #expect(verdict.status == .inconclusive && verdict.findings.map(\.anomaly) == [.undrained])
        #expect(verdict.counts.deliveredValues == messages)
        #expect(verdict.timeline.windows.count <= Timeline.maximumWindows)
        #expect(judge.detailsKept == 0)
    }
}
