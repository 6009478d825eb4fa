import LabChaos
public import LabCluster
public import LabHistory

extension TrialPlan {
    /// What a history says at its beginning of what is to come: each fault of the schedule, and each broker's log.
    public func plannedItems(on deployment: DeploymentPlan) -> [PlannedItem] {
        let faults = schedule.compactMap { step -> PlannedItem? in
            guard case .inject(let fault) = step else { return nil }
            let target = deployment.daemon(named: fault.target).map { FaultSession.target($0) } ?? fault.target
            return .fault(PlannedFault(id: fault.id, kind: fault.label, target: target))
        }
        let scans = deployment.daemons.filter { $0.role == .broker }.map { broker in
            PlannedItem.scan(PlannedScan(replica: broker.name, broker: broker.settings["brokerName"] ?? broker.name))
        }
        return faults + scans
    }
}

extension PlanSize {
    /// How many of each there are.
    init(_ items: [PlannedItem]) {
        self.init(faults: 0, scans: 0)
        for item in items {
            switch item {
            case .fault: faults += 1
            case .scan: scans += 1
            }
        }
    }
}
