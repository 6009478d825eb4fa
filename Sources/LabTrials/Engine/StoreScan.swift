import FoundationEssentials
import LabCluster
import LabHistory
import LabSSH

/// Reads one replica's commit log where it lies, with the scanner and not the broker, and records what is in it.
///
/// This is what tells *lost* from *undelivered*. A scan that fails is recorded as incomplete, never passed over.
struct StoreScan: Sendable {
    /// A trial's topic in full; more than this needs the scan in parts.
    static let outputLimitBytes = 256 * 1024 * 1024

    let cluster: Cluster
    let broker: DaemonPlan
    let topic: String

    func record(into recorder: HistoryRecorder) async {
        do {
            let lines = try await scan()
            try Self.record(lines, replica: broker.name, into: recorder)
        } catch {
            guard !Task.isCancelled else { return }
            recorder.record(
                .scanEnded(
                    ReplicaScan(replica: broker.name, records: 0, endOffset: 0, complete: false, detail: "\(error)")))
        }
    }

    /// Over SSH and not through the agent: the output of a large store streams, where an agent's frame is bounded.
    private func scan() async throws -> [UInt8] {
        let link = try cluster.fleet.link(broker.host)
        let command = [
            cluster.scanner(on: broker.host), "scanStore", "--store", broker.storePath, "--topic", topic, "--json",
        ]
        let result = try await link.session.execute(
            Shell.command(command), outputLimitBytes: Self.outputLimitBytes)
        guard result.isSuccess else {
            throw TrialError(.history, "the scan failed (\(result.ending)): \(result.errorText.prefix(200))")
        }
        return result.standardOutput
    }

    /// One line of the scanner's output: a record, or the end.
    private struct Line: Decodable {
        struct End: Decodable {
            var logOffset: Int64
            var records: Int
            var torn: Bool
            var reason: String?
            /// Places, from and to, that hold no record any more.
            var damaged: [[Int64]]?
        }

        var end: End?
        var logOffset: Int64?
        var queueId: Int?
        var queueOffset: Int64?
        var keys: String?
        var crcValid: Bool?
        var properties: [String: String]?
    }

    /// Why a scan does not show all that the log held: what stood in a damaged place, nobody can tell any more.
    private static func trouble(_ end: Line.End) -> String? {
        if end.torn { return "a torn record stands at the end: \(end.reason ?? "no reason told")" }
        guard let place = end.damaged?.first, place.count == 2 else { return nil }
        return "no record can be read from byte \(place[0]) to \(place[1])"
    }

    static func record(_ output: [UInt8], replica: String, into recorder: HistoryRecorder) throws {
        let decoder = JSONDecoder()
        var ended = false
        for text in output.split(separator: UInt8(ascii: "\n")) {
            let line = try decoder.decode(Line.self, from: Data(text))
            if let end = line.end {
                ended = true
                let trouble = Self.trouble(end)
                recorder.record(
                    .scanEnded(
                        ReplicaScan(
                            replica: replica, records: end.records, endOffset: end.logOffset,
                            complete: trouble == nil, detail: trouble ?? "")))
            } else {
                guard let logOffset = line.logOffset, let queueID = line.queueId, let offset = line.queueOffset else {
                    throw TrialError(.history, "the scanner wrote a line that is neither a record nor the end")
                }
                recorder.record(
                    .scanned(
                        ScannedRecord(
                            replica: replica, queueID: queueID, queueOffset: offset, logOffset: logOffset,
                            value: line.keys.flatMap { ValueID($0) },
                            runID: line.properties?[ProbeMessage.runProperty],
                            checksumAgrees: line.crcValid ?? false)))
            }
        }
        guard ended else { throw TrialError(.history, "the scanner's output has no end; it was cut off") }
    }
}
