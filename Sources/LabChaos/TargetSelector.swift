import LabCluster
import LabInventory

/// Whom a fault strikes, as a person names it. Pure: roster and seed decide.
///
///     broker-a      broker-a,ns-1      n3          these daemons, or these hosts
///     masters       slave-of:broker-a              all of a pool
///     one:masters   minority:hosts     50%:brokers some of it, by the seed
///
/// Pools: `daemons`, `nameservers`, `brokers`, `masters`, `slaves`, `hosts`, `slave-of:NAME`. Choices: `one`, `all`, `minority` (the
/// most that are less than half), `majority` (the least that are more than half), a percentage (rounded, one at least).
public struct TargetSelector: Sendable, Equatable {
    enum Choice: Sendable, Equatable {
        case one, all, minority, majority
        case percent(Int)
    }

    let choice: Choice
    /// What stands behind the choice.
    let pool: String

    private static let slaveOf = "slave-of:"

    /// Always readable: what is no choice is the name of somebody, whom `select` may not find.
    public init(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        guard parts.count == 2, let choice = Self.choice(parts[0]) else {
            choice = .all
            pool = text
            return
        }
        self.choice = choice
        pool = parts[1]
    }

    private static func choice(_ word: String) -> Choice? {
        switch word {
        case "one": return .one
        case "all": return .all
        case "minority": return .minority
        case "majority": return .majority
        default:
            guard word.hasSuffix("%"), let percent = Int(word.dropLast()), (1...100).contains(percent)
            else {
                return nil
            }
            return .percent(percent)
        }
    }

    /// Names of daemons and hosts, in the roster's order.
    /// - Throws: `ChaosError` `.badPlan` that says whom there is.
    public func select(from roster: Roster, seed: UInt64) throws(ChaosError) -> [String] {
        let candidates = try candidates(in: roster)
        let count = try count(of: candidates.count)
        guard count < candidates.count else { return candidates }
        var random = SplitMix64(state: seed)
        let chosen = Set(candidates.shuffled(using: &random).prefix(count))
        return candidates.filter(chosen.contains)
    }

    /// All whom a seed may choose.
    func candidates(in roster: Roster) throws(ChaosError) -> [String] {
        if let all = roster.pool(pool) {
            guard !all.isEmpty else {
                throw ChaosError(.badPlan, "target '\(pool)': there are none here")
            }
            return all
        }
        if pool.hasPrefix(Self.slaveOf) {
            let name = String(pool.dropFirst(Self.slaveOf.count))
            guard let master = roster.daemon(name) else { throw unknown(name, roster) }
            let slaves = roster.slaves(of: master).map(\.name)
            guard !slaves.isEmpty else {
                throw ChaosError(.badPlan, "target '\(pool)': '\(name)' has no slave")
            }
            return slaves
        }
        var names: [String] = []
        for part in pool.split(separator: ",", omittingEmptySubsequences: false) {
            let name = part.drop { $0 == " " }
            guard roster.host(of: String(name)) != nil else { throw unknown(String(name), roster) }
            if !names.contains(String(name)) { names.append(String(name)) }
        }
        return names
    }

    private func unknown(_ name: String, _ roster: Roster) -> ChaosError {
        let known = roster.daemons.map(\.name) + roster.hosts.map(\.name) + Roster.pools
        return ChaosError(
            .badPlan,
            "target '\(name)': no daemon, host or pool of that name (there are: \(known.joined(separator: ", ")))"
        )
    }

    private func count(of all: Int) throws(ChaosError) -> Int {
        let count =
            switch choice {
            case .one: 1
            case .all: all
            case .minority: (all - 1) / 2
            case .majority: all / 2 + 1
            case .percent(let percent): max(1, (all * percent + 50) / 100)
            }
        guard count > 0 else {
            throw ChaosError(.badPlan, "target: \(all) have no minority; name one of them")
        }
        return count
    }
}

/// A published generator of 64 bits (Steele, Lea and Flood, 2014), seeded by the schedule.
struct SplitMix64: RandomNumberGenerator, Sendable {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
