import LabChaos
public import LabCluster
public import LabHistory

extension TrialPlan {
    /// What a history says at its beginning of what is to come: each fault of the schedule, and each broker's log.
    /// - Parameter seed: chooses targets as it does in the run.
    /// - Throws: `ChaosError` for a fault that can't be done there.
    public func plannedItems(on deployment: DeploymentPlan, seed: UInt64) throws -> [PlannedItem] {
        let roster = Roster(deployment)
        let faults = try injected.map { fault in
            let order = try FaultOrder(fault, on: roster, seed: seed)
            return PlannedItem.fault(PlannedFault(id: fault.id, kind: fault.label, target: order.target))
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
