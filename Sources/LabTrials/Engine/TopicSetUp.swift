import LabCluster
import MQClient

/// Creates the trial's topic on every master and waits until the nameservers show it.
struct TopicSetUp: Sendable {
    /// A broker tells its nameservers of a new topic at once; more than this is a fault of its own.
    static let routeTimeout = Duration.seconds(5)

    let topic: TopicPlan
    let client: MQConnection

    func create(on deployment: DeploymentPlan) async throws {
        let admin = MQAdmin(client: client)
        for broker in deployment.daemons where broker.role == .broker && broker.settings["brokerId"] == "0" {
            do {
                try await admin.createTopic(
                    topic.name, readQueues: Int32(topic.queues), writeQueues: Int32(topic.queues),
                    on: "\(broker.address):\(broker.port)")
            } catch {
                throw TrialError(.setUp, "topic '\(topic.name)' on '\(broker.name)': \(error)")
            }
        }
        let masters = deployment.daemons.filter { $0.role == .broker && $0.settings["brokerId"] == "0" }.count
        let deadline = ContinuousClock.now + Self.routeTimeout
        while ContinuousClock.now < deadline {
            if let route = try? await admin.topicRoute(topic.name), route.shares.count >= masters { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw TrialError(
            .setUp, "topic '\(topic.name)': no route to all \(masters) master(s) within \(Self.routeTimeout)")
    }
}
