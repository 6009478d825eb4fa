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

/// What `lab run` and `grade` share: from a trial's plan and the user's options to a run, a verdict and a grade.
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
        let status = await FleetStatus.read(try deployment(of: plan).hosts, agent: try place.agentBinary)
        if let reason = status.reasonAgainstUse { throw HostsNotReady(description: reason) }
    }

    /// Runs the trial, judges its history and grades the submission by both.
    func grade(
        _ submission: Submission, of lab: Lab, by plan: TrialPlan, control: String? = nil
    ) async throws -> GradeReport {
        try check(plan)
        CleanUp.begin()
        let started = Self.wallClockMilliseconds()
        let progress = ProgressLines()
        let isRecorded = Atomic(false)
        let runner = TrialRunner(
            plan: plan,
            setting: .init(
                lab: lab.name, deployment: try deployment(of: plan), subject: try Subject.ours(in: place.programFolder),
                agent: try place.agentBinary, runsFolder: place.runsFolder,
                seed: trial.seed ?? UInt64.random(in: 1...999_999), startedAtMilliseconds: started,
                controllerPID: getpid(), keep: trial.keep, control: control),
            observe: { news in
                if case .folder = news { isRecorded.store(true, ordering: .relaxed) }
                progress.show(news)
            })
        let folder: RunFolder
        do {
            folder = try await runner.run()
        } catch {
            progress.end()
            let hint = isRecorded.load(ordering: .relaxed) ? "; 'seatrial check last' shows what was recorded" : ""
            Terminal.progress("nothing was graded\(hint)")
            throw error
        }
        progress.end()
        let (verdict, manifest) = try Judgement.judge(folder)
        try folder.write(verdict: JSONReport.text(verdict))
        var report = Grader.grade(lab, submission, verdict: verdict, facts: RunFacts.of(verdict, manifest))
        report.runFolder = folder.path.string
        report.gradedAtMilliseconds = started
        report.durationMilliseconds = Self.wallClockMilliseconds() - started
        try folder.write(grade: JSONReport.text(report))
        return report
    }

    private static func wallClockMilliseconds() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }
}
