import Glibc
import Subprocess
import SystemPackage
import Testing

/// Lab 01 on real hosts, from the command line.
@Suite(.serialized, .timeLimit(.minutes(10)))
struct LabRunTests {
    static let lab = Program.checkout.appending("labs/01-first-message")

    @Test func theSolutionGetsFullMarksAndNothingStaysBehind() async throws {
        try await Rig.with(hosts: 3) { rig in
            let run = try await rig.seatrial(
                "grade", Self.lab.appending("solution").string, "--format", "json")
            #expect(run.status == 0, "\(run)")
            let isFull = run.output.contains("\"score\": 17") && run.output.contains("\"max_score\": 17")
            #expect(isFull && !run.output.contains("\"status\": \"fail\""), "\(run)")
            let status = try await rig.seatrial("status")
            #expect(!status.output.contains("daemon "), "daemons survived the run: \(status)")
        }
    }

    @Test func aSubmissionThatCannotBeReadCostsTheClassNothing() async throws {
        try await Rig.with(hosts: 3) { rig in
            let good = Self.lab.appending("solution/answers.yaml").string
            let made = try await Program.run(
                at: "/bin/sh",
                [
                    "-c",
                    "mkdir -p $0/ana $0/bob $0/cid $0/dan && cp $1 $0/ana/ && cp $1 $0/cid/answers.yml && printf 'lab: 01-first-message\nanswers:\n\ta: b\n' > $0/bob/answers.yaml",
                    rig.state.appending("class").string, good,
                ])
            try #require(made.status == 0, "\(made)")
            let grade = try await rig.seatrial("grade", rig.state.appending("class").string)
            #expect(grade.status == 3, "\(grade)")
            #expect(grade.output.contains("17 of 17 points"), "\(grade)")
            #expect(grade.output.contains("bob/answers.yaml:3"), "\(grade)")
            // Who hands in under a wrong name, or nothing at all, is in the class.
            #expect(grade.output.contains("rename answers.yml, which is there"), "\(grade)")
            #expect(grade.output.contains("class/dan/answers.yaml: there is no such file"), "\(grade)")
        }
    }

    @Test func theStoreWipedBetweenKillAndRestartIsJudgedLost() async throws {
        try await Rig.with(hosts: 3) { rig in
            let run = try await rig.seatrial("lab", "run", "01", "--yes", "--control", "store-wiped")
            #expect(run.status == 1, "\(run)")
            #expect(run.output.contains("acknowledged and in no replica's log after drain and scan"), "\(run)")
            #expect(run.output.contains("not one of"), "the witness must tell of the log: \(run)")
            #expect(run.errors.contains("it must be judged 'fail: lost', and it was"), "\(run)")
            #expect(!run.errors.contains("and it was NOT"), "\(run)")
            let check = try await rig.seatrial("check", "last")
            #expect(check.status == 1, "the same history must get the same verdict offline: \(check)")
            #expect(check.output.contains("acknowledged and in no replica's log after drain and scan"), "\(check)")
        }
    }

    @Test func aFaultThatDidNotBiteIsInconclusive() async throws {
        try await Rig.with(hosts: 3) { rig in
            let run = try await rig.seatrial("lab", "run", "01", "--yes", "--control", "no-bite")
            #expect(run.status == 2, "\(run)")
            #expect(run.output.contains("not seen to bite"), "\(run)")
        }
    }

    @Test func aKilledControllerLeavesDaemonsThatAreFoundAndRemoved() async throws {
        try await Rig.with(hosts: 3) { rig in
            #expect(try await Self.signalDuringLoad(rig, .kill) == .signaled(9))
            let status = try await rig.seatrial("status")
            #expect(status.output.contains("broker-a"), "\(status)")
            #expect(status.output.contains("incomplete"), "\(status)")

            let refused = try await rig.seatrial("lab", "run", "01", "--yes")
            #expect(refused.status == 3, "\(refused)")
            #expect(refused.errors.contains("seatrial destroy"), "\(refused)")

            let check = try await rig.seatrial("check", "last")
            #expect(check.status == 2, "a killed run must not pass: \(check)")
            #expect(check.output.contains("incomplete"), "\(check)")

            let destroy = try await rig.seatrial("destroy")
            #expect(destroy.status == 0, "\(destroy)")
            let after = try await rig.seatrial("status")
            #expect(!after.output.contains("broker-a"), "\(after)")
        }
    }

    @Test func anInterruptedRunCleansUpAndIsNoPass() async throws {
        try await Rig.with(hosts: 3) { rig in
            let status = try await Self.signalDuringLoad(rig, .interrupt)
            #expect(status == .exited(130))
            let left = try await rig.seatrial("status")
            #expect(!left.output.contains("broker-a"), "\(left)")
            let check = try await rig.seatrial("check", "last")
            #expect(check.status == 2 && check.output.contains("interrupted"), "\(check)")
        }
    }

    /// Starts a run, waits until its history shows load under way, and sends the controller a signal.
    private static func signalDuringLoad(_ rig: Rig, _ signal: Signal) async throws -> TerminationStatus {
        try await Subprocess.run(
            .path(Program.path("seatrial")),
            arguments: Arguments(["lab", "run", "01", "--yes", "--state", rig.state.string]),
            workingDirectory: Program.checkout, input: .none, output: .discarded, error: .discarded
        ) { execution in
            let deadline = ContinuousClock.now + .seconds(60)
            while ContinuousClock.now < deadline {
                let grep = try await Program.run(
                    at: "/bin/sh", ["-c", "grep -l '\"complete\"' \(rig.state)/runs/*/history.jsonl"])
                if grep.status == 0 { break }
                try await Task.sleep(for: .milliseconds(50))
            }
            try execution.send(signal: signal)
        }.terminationStatus
    }
}
