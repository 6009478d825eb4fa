import LabCluster
import MQClient

/// Waits until every slave of the plan follows its master: what a trial promises of copies begins there. Groups that change their
/// master are `GroupSetUp`'s.
///
/// A broker of ours says so in its runtime information (`slaves`). One that does not say it, as Apache's, is believed.
struct SlaveSetUp: Sendable {
    /// A slave finds its master within seconds; Apache's within one registration.
    static let timeout = Duration.seconds(40)

    let client: MQConnection

    func wait(on deployment: DeploymentPlan) async throws {
        let admin = MQAdmin(client: client)
        let brokers = deployment.daemons.filter { $0.role == .broker && !$0.isGroupMember }
        let slaves = brokers.filter { $0.settings["brokerRole"] == "SLAVE" }
        let deadline = ContinuousClock.now + Self.timeout
        for master in brokers where master.settings["brokerRole"] != "SLAVE" {
            let expected = slaves.count { $0.settings["brokerName"] == master.settings["brokerName"] }
            while expected > 0 {
                let said = try? await admin.runtimeInfo(of: "\(master.address):\(master.port)")
                if let said {
                    guard let connected = said["slaves"] else { break }
                    if connected.split(separator: ",").count >= expected { break }
                }
                guard ContinuousClock.now < deadline else {
                    throw TrialError(
                        .setUp,
                        "'\(master.name)' has not all of its \(expected) slave(s) after \(Self.timeout): "
                            + "look at its log and theirs")
                }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }
}
