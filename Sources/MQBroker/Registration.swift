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
    /// Watches each nameserver that was told, or was to be.
    var watch: NameserverWatch?
    /// On a slave: what is done with the master that a nameserver names.
    var masterFound: (@Sendable (RegisterBrokerResponseHeader) -> Void)?

    /// What each nameserver has confirmed.
    let confirmed = Confirmations()

    /// Registers with all nameservers and waits for the slowest; failures are logged, the next round tries again.
    ///
    /// A nameserver that has confirmed this table already is only asked whether it still has it (322), which is a
    /// heartbeat too; `forceRegister` sends the table all the same, as Apache's broker does by default.
    func registerEverywhere() async {
        let settings = context.configuration
        // One number for all of a round, whatever this broker becomes meanwhile: the next round tells of that.
        let brokerID = context.replication.announcedID
        var header = RegisterBrokerRequestHeader(
            brokerName: settings.brokerName, brokerAddress: brokerAddress, clusterName: settings.clusterName,
            haServerAddress: haAddress, brokerID: brokerID, compressed: settings.compressesRegistration,
            bodyCRC32: nil)
        let isWritable = context.store.isWritable
        let live = context.live.withLock { $0 }
        let table = context.topics.withLock { $0.announced(isWritable: isWritable, permission: live.permission) }
        let plain = RegisterBrokerBody(table: table)
        let body = settings.compressesRegistration ? plain.compressed() : plain.encoded()
        header.bodyCRC32 = Int32(bitPattern: BodyChecksum.body(body))
        let registration = RemotingCommand.request(.registerBroker, header, body: body)
        await withTaskGroup(of: Void.self) { group in
            for nameserver in settings.nameservers {
                group.addTask {
                    defer { watch?.watch(nameserver) }
                    let told = Confirmations.Told(version: table.dataVersion, brokerID: brokerID)
                    if await isKnown(told, at: nameserver) { return }
                    let isConfirmed = await tell(nameserver, registration, timeout: settings.registrationTimeout)
                    confirmed.told.withLock { $0[nameserver] = isConfirmed ? told : nil }
                }
            }
        }
    }

    /// Whether a nameserver says that it has this version; it is asked only when it had it before, of this broker under this
    /// number.
    private func isKnown(_ told: Confirmations.Told, at nameserver: String) async -> Bool {
        let settings = context.configuration
        // A slave learns with each registration where its master is.
        guard masterFound == nil, !context.live.withLock({ $0.forcesRegistration }),
            confirmed.told.withLock({ $0[nameserver] }) == told
        else {
            return false
        }
        let header = QueryDataVersionRequestHeader(
            brokerName: settings.brokerName, brokerAddress: brokerAddress, clusterName: settings.clusterName,
            brokerID: told.brokerID)
        let query = RemotingCommand.request(.queryDataVersion, header, body: told.version.encoded())
        do {
            let answer = try await client.call(query, to: nameserver, timeout: settings.registrationTimeout)
            guard answer.responseCode == .success else { return false }
            return try !answer.header(QueryDataVersionResponseHeader.self).changed
        } catch {
            // Whatever went wrong, the registration that follows meets it too, and says so.
            return false
        }
    }

    /// Takes the broker out of all route tables.
    func unregisterEverywhere() async {
        let settings = context.configuration
        await tellAll(
            RemotingCommand.request(
                .unregisterBroker,
                UnregisterBrokerRequestHeader(
                    brokerName: settings.brokerName, brokerAddress: brokerAddress, clusterName: settings.clusterName,
                    brokerID: context.replication.announcedID)),
            timeout: .milliseconds(200))
    }

    private func tellAll(_ request: RemotingCommand, timeout: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            for nameserver in context.configuration.nameservers {
                group.addTask { _ = await tell(nameserver, request, timeout: timeout) }
            }
        }
    }

    /// Whether the nameserver took it.
    private func tell(_ nameserver: String, _ request: RemotingCommand, timeout: Duration) async -> Bool {
        do {
            let answer = try await client.call(request, to: nameserver, timeout: timeout)
            if answer.responseCode == .success {
                if let masterFound, request.requestCode == .registerBroker {
                    masterFound(try answer.header(RegisterBrokerResponseHeader.self))
                }
                return true
            }
            context.logger.warning(
                "a nameserver refused the broker",
                metadata: ["nameserver": "\(nameserver)", "remark": "\(answer.remark ?? "")"])
        } catch {
            context.logger.warning(
                "a nameserver was not reached", metadata: ["nameserver": "\(nameserver)", "error": "\(error)"])
        }
        return false
    }
}

/// What the nameservers have confirmed; shared by the rounds.
final class Confirmations: Sendable {
    /// A topic table, and the broker's number that it was told with.
    struct Told: Equatable {
        var version: DataVersion
        var brokerID: Int64
    }

    let told = Mutex<[String: Told]>([:])
}
