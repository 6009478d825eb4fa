import Logging
import MQStore
import MQTransport
import MQWire
import NIOCore
import Synchronization

/// Tells every nameserver of this broker and its topics; they know nothing of each other.
struct Registration: Sendable {
    let context: BrokerContext
    let client: RemotingClient
    /// The address clients are told, with the real port.
    let brokerAddress: String
    let haAddress: String

    /// Registers with all nameservers and waits for the slowest; failures are logged, the next round tries again.
    func registerEverywhere() async {
        let settings = context.configuration
        let header = RegisterBrokerRequestHeader(
            brokerName: settings.brokerName, brokerAddress: brokerAddress, clusterName: settings.clusterName,
            haServerAddress: haAddress, brokerID: settings.brokerID, compressed: false, bodyCRC32: nil)
        let isWritable = context.store.isWritable
        let body = RegisterBrokerBody(table: context.topics.withLock { $0.announced(isWritable: isWritable) }).encoded()
        await tellAll(RemotingCommand.request(.registerBroker, header, body: body))
    }

    /// Takes the broker out of all route tables.
    func unregisterEverywhere() async {
        let settings = context.configuration
        await tellAll(
            RemotingCommand.request(
                .unregisterBroker,
                UnregisterBrokerRequestHeader(
                    brokerName: settings.brokerName, brokerAddress: brokerAddress, clusterName: settings.clusterName,
                    brokerID: settings.brokerID)),
            timeout: .milliseconds(200))
    }

    private func tellAll(_ request: RemotingCommand, timeout: Duration? = nil) async {
        let limit = timeout ?? context.configuration.registrationTimeout
        await withTaskGroup(of: Void.self) { group in
            for nameserver in context.configuration.nameservers {
                group.addTask {
                    do throws(TransportError) {
                        let answer = try await client.call(request, to: nameserver, timeout: limit)
                        if answer.responseCode != .success {
                            context.logger.warning(
                                "a nameserver refused the broker",
                                metadata: ["nameserver": "\(nameserver)", "remark": "\(answer.remark ?? "")"])
                        }
                    } catch {
                        context.logger.warning(
                            "a nameserver was not reached",
                            metadata: ["nameserver": "\(nameserver)", "error": "\(error)"])
                    }
                }
            }
        }
    }
}
