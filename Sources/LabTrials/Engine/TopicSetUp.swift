import LabCluster
import MQClient

/// Creates the trial's topic on every master and waits until every nameserver shows it there.
///
/// Every one: a client asks any of them, and one that has heard of half of the masters makes a load that meets only these.
struct TopicSetUp: Sendable {
    /// A broker tells its nameservers of a new topic at once; more than this is a fault of its own.
    static let routeTimeout = Duration.seconds(5)

    let topic: TopicPlan
    let client: MQConnection

    func create(on deployment: DeploymentPlan) async throws {
        let admin = MQAdmin(client: client)
        // A group's first master is whose role is no slave's.
        let masters = deployment.daemons.filter { $0.role == .broker && $0.settings["brokerRole"] != "SLAVE" }
        for broker in masters {
            do {
                try await admin.createTopic(
                    topic.name, readQueues: Int32(topic.queues), writeQueues: Int32(topic.queues),
                    on: "\(broker.address):\(broker.port)")
            } catch {
                throw TrialError(.setUp, "topic '\(topic.name)' on '\(broker.name)': \(error)")
            }
        }
        let deadline = ContinuousClock.now + Self.routeTimeout
        for nameserver in deployment.nameserverAddresses {
            guard try await isShown(by: nameserver, masters: masters.count, until: deadline) else {
                throw TrialError(
                    .setUp,
                    "topic '\(topic.name)': nameserver \(nameserver) shows no route to all \(masters.count) master(s) within "
                        + "\(Self.routeTimeout)")
            }
        }
    }

    private func isShown(
        by nameserver: String, masters: Int, until deadline: ContinuousClock.Instant
    ) async throws -> Bool {
        let connection = MQConnection(configuration: .init(nameservers: [nameserver]))
        let admin = MQAdmin(client: connection)
        var isShown = false
        while !isShown, ContinuousClock.now < deadline, !Task.isCancelled {
            if let route = try? await admin.topicRoute(topic.name), route.shares.count >= masters {
                isShown = true
            } else {
                try? await Task.sleep(for: .milliseconds(10))
            }
        }
        await connection.shutdown()
        try Task.checkCancellation()
        return isShown
    }
}
