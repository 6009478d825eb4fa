import LabAgent
import LabChaos
public import LabCluster
import LabHistory
import LabInventory
import MQClient
public import SystemPackage

/// Runs one trial from hosts to history: deploy, load, break, heal, drain, scan, collect, take down.
///
/// Whatever goes wrong, and however it is interrupted (a cancelled task), every fault is healed, the cluster is taken
/// down and the run's folder says how it ended. Only a `kill -9` leaves daemons behind: `seatrial status` finds them.
public struct TrialRunner: Sendable {
    /// What a trial needs to know of where it runs.
    public struct Setting: Sendable {
        public var lab: String
        public var deployment: DeploymentPlan
        public var subject: Subject
        public var agent: FilePath
        public var runsFolder: FilePath
        public var seed: UInt64
        /// Milliseconds since 1970, of the wall clock: names the run.
        public var startedAtMilliseconds: Int64
        public var controllerPID: Int32
        /// Leave the cluster up afterwards.
        public var keep: Bool
        /// The negative control that is run, by name.
        public var control: String?

        public init(
            lab: String, deployment: DeploymentPlan, subject: Subject, agent: FilePath, runsFolder: FilePath,
            seed: UInt64, startedAtMilliseconds: Int64, controllerPID: Int32, keep: Bool,
            control: String? = nil
        ) {
            self.lab = lab
            self.deployment = deployment
            self.subject = subject
            self.agent = agent
            self.runsFolder = runsFolder
            self.seed = seed
            self.startedAtMilliseconds = startedAtMilliseconds
            self.controllerPID = controllerPID
            self.keep = keep
            self.control = control
        }

        var runID: String { RunID.make(atMilliseconds: startedAtMilliseconds, lab: lab, pid: controllerPID) }
    }

    let plan: TrialPlan
    let setting: Setting
    let observe: @Sendable (TrialProgress) -> Void

    public init(plan: TrialPlan, setting: Setting, observe: @escaping @Sendable (TrialProgress) -> Void) {
        self.plan = plan.drawn(seed: setting.seed)
        self.setting = setting
        self.observe = observe
    }

    /// - Returns: the folder of the run, whose history is complete and can be judged.
    /// - Throws: `ClusterError` or `TrialError` when the lab itself could not do its work; the folder, where there is
    ///   one already, says `aborted`.
    public func run() async throws -> RunFolder {
        try plan.validate(against: setting.deployment)
        observe(.step("connecting to \(setting.deployment.hosts.map(\.name).joined(separator: ", "))"))
        let fleet = try await Fleet.open(setting.deployment.hosts, agent: setting.agent)
        for (host, link) in fleet.links.sorted(by: { $0.key < $1.key }) {
            for trouble in link.hello.troubles { observe(.step("host '\(host)': the agent reports: \(trouble)")) }
        }
        do {
            let folder = try await run(on: fleet)
            await fleet.close()
            return folder
        } catch {
            await fleet.close()
            throw error
        }
    }

    private func run(on fleet: Fleet) async throws -> RunFolder {
        let cluster = Cluster(plan: setting.deployment, subject: setting.subject, fleet: fleet)
        try await cluster.refuseLeftovers()
        // What a host can't do is said before anything is deployed.
        let refusals = try FaultSession.refusals(
            of: plan.injected, on: setting.deployment, in: fleet, seed: setting.seed)
        guard refusals.isEmpty else { throw TrialError(.badPlan, refusals.joined(separator: "; ")) }
        let folder = try RunFolder.create(setting.runID, under: setting.runsFolder)
        let work = try folder.beginWork()
        defer { work.end() }
        observe(.folder(folder))
        var manifest = try await manifest(fleet)
        try folder.write(manifest)
        let recorder = try HistoryRecorder(path: folder.historyPath, clock: RunClock())
        let result = await Result.catching { try await record(cluster, folder, recorder) }
        // From here on nothing is cancelled: a Ctrl-C must not stop the cleaning up.
        let (missingLogs, cleanUp) = await Task.detached { await takeDown(cluster, folder) }.value
        manifest.missingLogs = missingLogs
        do {
            try result.get()
            if let cleanUp { throw cleanUp }
            // Last of all: whoever reads it may believe all that stands before it.
            recorder.record(.end(RunEnd(completed: true, detail: "")))
            try recorder.close()
            manifest.state = .completed
            try folder.write(manifest)
            return folder
        } catch {
            let isInterrupted = Task.isCancelled || error is CancellationError
            let why = isInterrupted ? "interrupted by whoever started it" : "\(error)"
            recorder.record(.end(RunEnd(completed: false, detail: why, isInterrupted: isInterrupted)))
            try? recorder.close()
            manifest.state = .aborted
            try? folder.write(manifest)
            throw error
        }
    }

    private func manifest(_ fleet: Fleet) async throws -> RunManifest {
        var clocks: [String: RunManifest.ClockReading] = [:]
        for (name, link) in fleet.links {
            let reading = try await link.agent.calibrateClock(samples: 5)
            clocks[name] = .init(
                offsetNanoseconds: reading.offsetNanoseconds, errorNanoseconds: reading.errorNanoseconds)
        }
        let daemons = setting.deployment.daemons
        return RunManifest(
            runID: setting.runID, lab: setting.lab, mode: setting.deployment.topology.mode, seed: setting.seed,
            startedAtMilliseconds: setting.startedAtMilliseconds, state: .running,
            controllerPID: setting.controllerPID, lossAllowed: plan.promises.lost == .measured,
            placement: Dictionary(uniqueKeysWithValues: daemons.map { ($0.name, $0.host.name) }),
            configurations: Dictionary(uniqueKeysWithValues: daemons.map { ($0.name, $0.configText) }),
            clocks: clocks, agentVersion: LabVersion.text,
            control: setting.control)
    }

    private func record(_ cluster: Cluster, _ folder: RunFolder, _ recorder: HistoryRecorder) async throws {
        let planned = try plan.plannedItems(on: setting.deployment, seed: setting.seed)
        recorder.record(
            .run(
                RunHeader(
                    formatVersion: HistoryFormat.version, runID: setting.runID, seed: setting.seed,
                    startedAtMilliseconds: setting.startedAtMilliseconds, topic: plan.topic.name,
                    plan: PlanSize(planned), lossAllowed: plan.promises.lost == .measured,
                    tailNanoseconds: plan.promises.tailSeconds.map { Int64($0 * 1e9) })))
        for item in planned { recorder.record(.planned(item)) }
        let flusher = Task { await recorder.keepFlushing() }
        defer { flusher.cancel() }
        try await cluster.deploy { observe(.step($0)) }
        let client = MQConnection(
            configuration: .init(nameservers: setting.deployment.nameserverAddresses, randomSeed: setting.seed))
        do {
            try await load(cluster, client, recorder)
        } catch {
            await client.shutdown()
            throw error
        }
        await client.shutdown()
        recorder.record(.phase("scan"))
        observe(.step("reading every replica's commit log"))
        for broker in cluster.plan.daemons where broker.role == .broker {
            await StoreScan(cluster: cluster, broker: broker, topic: plan.topic.name).record(into: recorder)
        }
        try Task.checkCancellation()
    }

    private func load(_ cluster: Cluster, _ client: MQConnection, _ recorder: HistoryRecorder) async throws {
        let groups = GroupSetUp(setting.deployment)
        if groups.isNeeded {
            observe(.step("waiting for each group's master and its followers"))
            try await groups.wait()
        }
        observe(.step("creating topic '\(plan.topic.name)'"))
        try await TopicSetUp(topic: plan.topic, client: client).create(on: setting.deployment)
        if setting.deployment.daemons.contains(where: { $0.settings["brokerRole"] == "SLAVE" }) {
            observe(.step("waiting for the slaves to follow their masters"))
            try await SlaveSetUp(client: client).wait(on: setting.deployment)
        }
        let faults = FaultSession(cluster: cluster, seed: setting.seed, now: { recorder.now }) { news in
            let edge = FaultEdge(news)
            recorder.record(.fault(edge), at: news.time?.nanoseconds)
            observe(.fault(edge))
        }
        let workload = Workload(plan: plan.workload, topic: plan.topic, runID: setting.runID, seed: setting.seed)
        let firstFault = Gate()
        do {
            try await workload.run(
                through: client, recorder: recorder, drainTimeout: .seconds(plan.drainTimeoutSeconds),
                faults: firstFault
            ) {
                try await ScheduleWalk(
                    plan: plan, faults: faults, recorder: recorder, firstFault: firstFault, observe: observe
                ).run()
                // Nothing is judged under an open fault: what the plan left open is healed before the drain.
                await faults.healAll()
                if groups.isNeeded {
                    observe(.step("waiting for each group to be whole again"))
                    try await groups.wait()
                }
                observe(.step("draining: reading every queue to its end"))
            }
        } catch {
            await Task.detached { await faults.healAll() }.value
            throw error
        }
    }

    /// Collects the logs and removes the cluster. Returns which logs are missing, and what could not be removed.
    private func takeDown(
        _ cluster: Cluster, _ folder: RunFolder
    ) async -> (missingLogs: [String: String], failure: (any Error)?) {
        let missing = await cluster.collectLogs(into: folder.logsPath)
        for (daemon, why) in missing.sorted(by: { $0.key < $1.key }) {
            observe(.step("the log of \(daemon) could not be collected: \(why)"))
        }
        guard !setting.keep else { return (missing, nil) }
        observe(.step("taking the cluster down"))
        do {
            try await cluster.fleet.destroy()
            return (missing, nil)
        } catch {
            return (missing, error)
        }
    }
}

extension Result where Failure == any Error {
    fileprivate static func catching(_ body: () async throws -> Success) async -> Result {
        do { return .success(try await body()) } catch { return .failure(error) }
    }
}
