import LabAgent
import LabCluster
import LabInventory

/// What hosts say of a fault, on the run's clock and in words.
extension FaultSession {
    /// What hosts' answers to a heal mean: it was undone now, was undone by a timer before, or is not undone.
    static func ending(_ reports: [FaultRecord], of order: FaultOrder) -> FaultMachine.Input {
        let evidence = evidence(reports, of: order)
        guard reports.allSatisfy({ $0.state == .healed }) else { return .undoFailed(reason: evidence) }
        return reports.contains { $0.expired == true }
            ? .expired(evidence: evidence) : .undone(evidence: evidence)
    }

    /// Each host's own words; named where there is more than one host.
    static func evidence(_ reports: [FaultRecord], of order: FaultOrder) -> String {
        guard reports.count > 1 else { return reports.first.map(words) ?? "" }
        return zip(order.parts, reports).map { "\($0.host.name): \(words($1))" }.joined(separator: "; ")
    }

    /// How far apart hosts were with the same deed.
    static func spread(_ times: [HostTime]) -> String {
        guard times.count > 1, let first = times.map(\.nanoseconds).min(),
            let last = times.map(\.nanoseconds).max()
        else {
            return ""
        }
        return " (within \((last - first) / 1_000_000) ms)"
    }

    private static func words(_ record: FaultRecord) -> String {
        if let message = record.message { return message }
        if let healed = record.healedAt {
            return "gone \((healed - record.armedAt) / 1_000_000) ms after it was armed"
        }
        if let deed = record.deedAt, let active = record.activeAt {
            return "seen \((active - deed) / 1_000_000) ms after the deed"
        }
        return record.bit == false ? "no effect was seen" : record.state.rawValue
    }

    /// Hosts' readings of their clocks, on the run's, in the order of the parts; nil where there is none, or where the host
    /// can't be asked any more.
    func times(_ readings: [Int64?], of order: FaultOrder, notAfter known: Int64) async -> [HostTime?] {
        let (fleet, now) = (cluster.fleet, now)
        let pairs = Array(zip(order.parts, readings))
        let found = await Concurrently.map(pairs) { part, reading -> HostTime? in
            guard let reading else { return nil }
            let agent = try fleet.link(part.host).agent
            var samples: [ClockCalibration.Sample] = []
            for _ in 0..<Self.clockSamples {
                let sent = now()
                let clock = try await agent.clock()
                samples.append(.init(sent: sent, host: clock.realtimeNanoseconds, received: now()))
            }
            return ClockCalibration(samples: samples).map { HostTime(host: reading, $0, notAfter: known) }
        }
        return found.map { (try? $0.get()) ?? nil }
    }
}
