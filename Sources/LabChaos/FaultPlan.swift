public import LabAgent

/// A fault as a plan names it: what is to be broken, whom it strikes, and for how long at most.
public struct FaultPlan: Sendable, Equatable, Decodable {
    /// Unique in the schedule; `heal:` names it.
    public var id: String
    public var kind: Kind
    /// Whom it strikes: a daemon, a host, or a choice (`TargetSelector`).
    public var target: String
    /// For `process-signal`: `KILL`, `TERM`, `STOP`, `WINCH`, …
    public var signal: String?
    /// The fault is undone by the host itself after so long, whatever becomes of the controller.
    public var ttlSeconds: Double
    /// For network faults: what becomes of packets that are cut off; `drop` unless said otherwise.
    public var answer: NetworkFault.Answer?
    /// For `isolate` and `halves`: where the clients stand; `far`, cut off as well, unless said otherwise.
    public var clients: Clients?

    public enum Clients: String, Sendable, Equatable, Decodable, CaseIterable {
        /// On the targets' side.
        case near
        /// On the other side.
        case far
    }

    public init(
        id: String, kind: Kind, target: String, signal: String? = nil, ttlSeconds: Double,
        answer: NetworkFault.Answer? = nil, clients: Clients? = nil
    ) {
        self.id = id
        self.kind = kind
        self.target = target
        self.signal = signal
        self.ttlSeconds = ttlSeconds
        self.answer = answer
        self.clients = clients
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(String.self, forKey: .id)
        kind = try container.decode(Kind.self, forKey: .kind)
        if let usual = kind.usualTarget {
            target = try container.decodeIfPresent(String.self, forKey: .target) ?? usual
        } else {
            target = try container.decode(String.self, forKey: .target)
        }
        signal = try container.decodeIfPresent(String.self, forKey: .signal)
        ttlSeconds = try container.decode(Double.self, forKey: .ttlSeconds)
        answer = try container.decodeIfPresent(NetworkFault.Answer.self, forKey: .answer)
        clients = try container.decodeIfPresent(Clients.self, forKey: .clients)
    }

    /// `process-signal KILL`, `isolate`, `isolate reject`: how histories and reports name what is done.
    public var label: String {
        ([kind.rawValue] + [signal, answer == .reject ? "reject" : nil].compactMap { $0 }).joined(
            separator: " ")
    }

    /// Whether there is an undo. A deed without one is over when it is done, and no time-to-live can end it.
    public var isUndone: Bool { kind != .storeWipe && kind != .restart }

    enum CodingKeys: String, CodingKey {
        case id, kind, target, signal, answer, clients
        case ttlSeconds = "ttl_seconds"
    }
}

extension FaultPlan {
    /// What can be broken. `summary` is the catalogue's line.
    public enum Kind: String, Sendable, Equatable, Decodable, CaseIterable {
        case kill
        case terminate
        case pause
        case restart
        case crashLoop = "crash-loop"
        case processSignal = "process-signal"
        case isolate
        case halves
        case ring
        case bridge
        case mute
        case deafen
        case cutHA = "cut-ha"
        case cutNameservers = "cut-nameservers"
        case cutClients = "cut-clients"
        /// The filesystem on which the daemon's store lies.
        case diskFull = "disk-full"
        case storeWipe = "store-wipe"
        /// The power of the host on which the daemon runs.
        case powerLoss = "power-loss"

        /// What the catalogue groups it by.
        public var family: Family {
            switch self {
            case .kill, .terminate, .pause, .restart, .crashLoop, .processSignal: .process
            case .isolate, .halves, .ring, .bridge, .mute, .deafen, .cutHA, .cutNameservers, .cutClients:
                .network
            case .diskFull, .storeWipe: .disk
            case .powerLoss: .host
            }
        }

        public enum Family: String, Sendable, CaseIterable { case process, network, disk, host }

        /// The signal that it is another name for.
        var signal: String? {
            switch self {
            case .kill: "KILL"
            case .terminate: "TERM"
            case .pause: "STOP"
            default: nil
            }
        }

        /// Whom it strikes when nobody says; nil where it has to be said.
        public var usualTarget: String? {
            switch self {
            case .halves: "minority:hosts"
            case .ring, .bridge: "hosts"
            case .cutHA: "masters"
            case .cutNameservers, .cutClients: "brokers"
            default: nil
            }
        }

        public var summary: String {
            switch self {
            case .kill: "the process gets SIGKILL; the heal starts it again"
            case .terminate: "the process gets SIGTERM and ends in order; the heal starts it again"
            case .pause: "the process is stopped (SIGSTOP), its connections stay; the heal lets it go on"
            case .restart: "the process gets SIGTERM, and is started again at once"
            case .crashLoop: "the process is killed whenever it has been up for a second"
            case .processSignal: "the process gets the signal of --signal; the heal undoes what it did"
            case .isolate: "each target's host is cut off from every other host, and from the clients"
            case .halves: "the targets' hosts on one side, all others on the other"
            case .ring: "each host hears a majority, and no two hear the same one"
            case .bridge: "two halves that do not hear each other, and one host that hears both"
            case .mute: "nobody hears the targets' hosts any more; they hear everybody"
            case .deafen: "the targets' hosts hear nobody any more; everybody hears them"
            case .cutHA: "no replication between the targets and their slaves or masters"
            case .cutNameservers: "the targets and all nameservers are cut off from each other"
            case .cutClients: "the clients and the targets are cut off from each other"
            case .diskFull: "the filesystem of the store is filled to its last block"
            case .storeWipe: "the store is removed; there is no way back"
            case .powerLoss: "the host loses its power, and what it had not synced; the heal boots it"
            }
        }
    }
}
