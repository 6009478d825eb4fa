extension ClusterView: CustomStringConvertible {
    /// One row a broker, and a line for whoever does not answer.
    public var description: String {
        var rows = [["BROKER", "OF", "ROLE", "EPOCH", "IN SYNC", "LOG END", "BEHIND", "NAMESERVERS SAY"]]
        rows += brokers.map { cells($0) }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let lines = rows.map { row in
            let line = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(
                separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
        let complaints = silent.sorted { $0.key < $1.key }.map { "'\($0.key)' does not answer: \($0.value)" }
        return (lines + complaints).joined(separator: "\n")
    }

    private func cells(_ broker: Broker) -> [String] {
        let role =
            switch (broker.role, broker.refuses) {
            case (nil, _): "no answer"
            case (let role?, let reason?): "\(role), refuses: \(reason)"
            case ("slave", nil) where !broker.isLinked: "slave, no link"
            case (let role?, nil): role
            }
        let name = broker.replica.map { "\(broker.name) (\($0))" } ?? broker.name
        return [
            name, broker.group ?? "-", role, broker.epoch.map { "\($0)" } ?? "-",
            broker.inSync.map { $0.isEmpty ? "none" : $0.joined(separator: ",") } ?? "-",
            broker.logEnd.map { "\($0)" } ?? "-", behind(broker), opinions(of: broker),
        ]
    }

    /// A master's figure is that of the last of its slaves.
    private func behind(_ broker: Broker) -> String {
        guard let bytes = broker.behindBytes else { return "-" }
        let time = broker.behindMilliseconds.map { $0 > 0 ? ", \($0) ms" : "" } ?? ""
        return "\(bytes) B\(time)"
    }

    /// `3 of 3: master`, or each opinion with those who have it.
    private func opinions(of broker: Broker) -> String {
        guard !nameservers.isEmpty else { return "-" }
        var having: [String: [String]] = [:]
        for nameserver in nameservers {
            let opinion = broker.listed[nameserver].map { $0 == 0 ? "master" : "slave \($0)" } ?? "not there"
            having[opinion, default: []].append(nameserver)
        }
        if let only = having.first, having.count == 1 {
            return "\(only.value.count) of \(nameservers.count): \(only.key)"
        }
        return having.sorted { $0.key < $1.key }.map { "\($0.value.joined(separator: ",")): \($0.key)" }
            .joined(separator: "; ")
    }
}
