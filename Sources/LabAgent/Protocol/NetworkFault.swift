/// Packets that a host no longer takes or sends, by peer and port: one host's part of a partition.
///
/// Model: a packet that a rule matches is gone. With `drop` nobody hears of it, as behind a cut cable; with `reject` whoever
/// sent it is told at once (a TCP reset, or "port unreachable"), as by a firewall or by a machine that runs and does not listen.
/// Everything that no rule names goes on. Only IPv4 is cut; the lab's hosts are named by such addresses.
public struct NetworkFault: Codable, Sendable, Equatable {
    /// What becomes of a packet that is cut off.
    public enum Answer: String, Codable, Sendable, CaseIterable { case drop, reject }

    /// What becomes of what the rules match.
    public var answer: Answer
    /// What is cut off; at most ``AgentLimits/networkRules``.
    public var rules: [NetworkRule]
    /// What this host was seen to get an answer from, and what must be silent once the rules are there. Each has to hang on
    /// this host's own rules: what other hosts cut off shows nothing of them.
    public var probes: [NetworkProbe]
    /// How long a probe must stay without an answer to count as silent: some times what an answer took before.
    public var silenceMilliseconds: Int64

    /// One host's part of a partition.
    public init(
        answer: Answer, rules: [NetworkRule], probes: [NetworkProbe] = [],
        silenceMilliseconds: Int64 = AgentLimits.networkSilenceMilliseconds
    ) {
        self.answer = answer
        self.rules = rules
        self.probes = probes
        self.silenceMilliseconds = silenceMilliseconds
    }
}

/// Packets in one direction between this host and a peer.
public struct NetworkRule: Codable, Sendable, Hashable {
    /// As this host sees it.
    public enum Direction: String, Codable, Sendable { case incoming, outgoing }

    /// Which of them.
    public enum Ports: Codable, Sendable, Hashable {
        /// All, of whatever protocol.
        case all
        /// TCP to or from these ports of this host.
        case local([UInt16])
        /// TCP to or from these ports of the peer.
        case remote([UInt16])

        /// Whether no packet could match.
        var isEmpty: Bool {
            switch self {
            case .all: false
            case .local(let ports), .remote(let ports): ports.isEmpty
            }
        }
    }

    public var direction: Direction
    /// The peer's IPv4 address.
    public var peer: String
    public var ports: Ports

    public init(_ direction: Direction, peer: String, ports: Ports = .all) {
        self.direction = direction
        self.peer = peer
        self.ports = ports
    }

    /// Whether a probe of this host gets no answer because of this very rule, whoever else cuts off whatever.
    public func silences(_ probe: NetworkProbe) -> Bool {
        guard probe.address == peer else { return false }
        return switch ports {
        case .all: true
        case .local: false
        case .remote(let ports): probe.port.map { ports.contains($0) } ?? false
        }
    }
}

/// Something to get an answer from.
public struct NetworkProbe: Codable, Sendable, Hashable, CustomStringConvertible {
    public var address: String
    /// The TCP port to connect to; nil for an ICMP echo, which the peer's kernel answers and no daemon hears of.
    public var port: UInt16?

    public init(address: String, port: UInt16? = nil) {
        self.address = address
        self.port = port
    }

    public var description: String { port.map { "\(address):\($0)" } ?? address }
}

/// What came of a probe.
public enum NetworkAnswer: Codable, Sendable, Equatable {
    /// Echoed or connected, after so long.
    case answered(microseconds: Int64)
    /// A reset, from the peer or from a rule in between.
    case refused
    /// Nothing came in time.
    case silent
    /// This host would not even send it.
    case notSent(reason: String)

    /// Whether there is a way to the peer and back.
    public var isAnswered: Bool {
        if case .answered = self { true } else { false }
    }
}

/// How the controller is connected to a host, as the host's `sshd` tells it.
public struct SSHPath: Codable, Sendable, Equatable, CustomStringConvertible {
    public var clientAddress: String
    public var clientPort: UInt16
    public var serverAddress: String
    public var serverPort: UInt16

    public init(clientAddress: String, clientPort: UInt16, serverAddress: String, serverPort: UInt16) {
        self.clientAddress = clientAddress
        self.clientPort = clientPort
        self.serverAddress = serverAddress
        self.serverPort = serverPort
    }

    /// From the value of `SSH_CONNECTION`, as sshd(8) sets it; nil for anything else.
    public init?(_ text: some StringProtocol) {
        let words = text.split(separator: " ")
        guard words.count == 4, let clientPort = UInt16(words[1]), let serverPort = UInt16(words[3])
        else { return nil }
        self.init(
            clientAddress: Self.plain(words[0]), clientPort: clientPort,
            serverAddress: Self.plain(words[2]),
            serverPort: serverPort)
    }

    /// An `sshd` that listens on IPv6 names IPv4 peers in its own way.
    private static func plain(_ address: some StringProtocol) -> String {
        let mark = "::ffff:"
        return address.hasPrefix(mark) ? String(address.dropFirst(mark.count)) : String(address)
    }

    public var description: String {
        "\(clientAddress):\(clientPort) to \(serverAddress):\(serverPort)"
    }

    /// Whether a rule would cut it, or the next connection of this kind.
    public func isCut(by rule: NetworkRule) -> Bool {
        guard rule.peer == clientAddress else { return false }
        return switch rule.ports {
        case .all: true
        case .local(let ports): ports.contains(serverPort)
        case .remote(let ports): ports.contains(clientPort)
        }
    }
}
