import ArgumentParser
import Glibc
import LabCluster
import LabCourse
import LabHistory
import LabInventory
import LabReport
import LabTrials
import Synchronization
import SystemPackage

/// How a trial is run.
struct TrialOptions: ParsableArguments {
    @Option(help: "Seed of every random choice; the same seed gives the same load and schedule.") var seed: UInt64?
    @Flag(help: "Leave the cluster up afterwards ('seatrial destroy' removes it).") var keep = false
}

/// A run that came to its end, and what it proved.
struct JudgedRun {
    var folder: RunFolder
    var verdict: Verdict
    var manifest: RunManifest
    var startedAtMilliseconds: Int64
}

/// A run that the lab could not bring to its end.
struct UnjudgedRun: Error {
    var cause: any Error
    /// The run whose folder holds what happened until then; nil when it never came to one.
    var runID: String?
    var isRecorded: Bool { runID != nil }
}

/// What `lab run`, `trial run` and `grade` share: from a trial's plan and the user's options to a run, a verdict and a grade.
struct Laboratory {
    private let trial: TrialOptions
    private let inventory: InventoryOptions
    private let place: PlaceOptions
    private let hosts: Inventory

    init(trial: TrialOptions, inventory: InventoryOptions, place: PlaceOptions) throws {
        self.trial = trial
        self.inventory = inventory
        self.place = place
        hosts = try inventory.load(place)
    }

    func deployment(of plan: TrialPlan) throws -> DeploymentPlan {
        try inventory.plan(place.mode(plan.mode), in: hosts)
    }

    /// Refuses what can't be run, as far as that shows without touching a host.
    func check(_ plan: TrialPlan) throws {
        try RunGuard(place).refuseWhileRunning()
        try inventory.requireAccess(place)
        try plan.validate(against: deployment(of: plan))
        _ = try Subject.ours(in: place.programFolder)
        _ = try place.agentBinary
    }

    /// Refuses hosts that don't answer or are not free; it only looks.
    func checkHosts(_ plan: TrialPlan) async throws {
        let hosts = try deployment(of: plan).hosts
        try inventory.requirePower(of: hosts, place)
        let status = await FleetStatus.read(hosts, agent: try place.agentBinary)
        if let reason = status.reasonAgainstUse { throw HostsNotReady(description: reason) }
    }

    /// Runs the trial, judges its history and grades the submission by both.
    func grade(
        _ submission: Submission, of lab: Lab, by plan: TrialPlan, control: String? = nil
    ) async throws -> GradeReport {
        let progress = ProgressLines()
        let run: JudgedRun
        do {
            run = try await judge(plan, as: lab.name, control: control) { progress.show($0) }
        } catch let error as UnjudgedRun {
            progress.end()
            let hint = error.isRecorded ? "; 'seatrial check last' shows what was recorded" : ""
            Terminal.progress("nothing was graded\(hint)")
            throw error.cause
        }
        progress.end()
        var report = Grader.grade(lab, submission, verdict: run.verdict, facts: RunFacts.of(run.verdict, run.manifest))
        report.runFolder = run.folder.path.string
        report.gradedAtMilliseconds = run.startedAtMilliseconds
        report.durationMilliseconds = Self.wallClockMilliseconds() - run.startedAtMilliseconds
        try run.folder.write(grade: JSONReport.text(report))
        return report
    }

    /// Runs the trial and judges its history.
    /// - Parameters:
    ///   - name: of the lab or the plan; the run's folder is named by it.
    ///   - seed: instead of the one of the options.
    /// - Throws: `UnjudgedRun` when there is nothing to judge.
    func judge(
        _ plan: TrialPlan, as name: String, control: String? = nil, seed: UInt64? = nil,
        observe: @escaping @Sendable (TrialProgress) -> Void
    ) async throws -> JudgedRun {
        try check(plan)
        CleanUp.begin()
        let started = Self.wallClockMilliseconds()
        let runID = Mutex<String?>(nil)
        let runner = TrialRunner(
            plan: plan,
            setting: .init(
                lab: name, deployment: try deployment(of: plan), subject: try Subject.ours(in: place.programFolder),
                agent: try place.agentBinary, runsFolder: place.runsFolder,
                seed: seed ?? trial.seed ?? UInt64.random(in: 1...999_999), startedAtMilliseconds: started,
                controllerPID: getpid(), keep: trial.keep, control: control),
            observe: { news in
                if case .folder(let folder) = news { runID.withLock { $0 = folder.path.lastComponent?.string } }
                observe(news)
            })
        let folder: RunFolder
        do {
            folder = try await runner.run()
        } catch {
            throw UnjudgedRun(cause: error, runID: runID.withLock { $0 })
        }
        do {
            let (verdict, manifest) = try Judgement.judge(folder)
            try folder.write(verdict: JSONReport.text(verdict))
            return JudgedRun(folder: folder, verdict: verdict, manifest: manifest, startedAtMilliseconds: started)
        } catch {
            throw UnjudgedRun(cause: error, runID: runID.withLock { $0 })
        }
    }

    private static func wallClockMilliseconds() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }
}
