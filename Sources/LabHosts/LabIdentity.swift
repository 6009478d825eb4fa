import SystemPackage

/// The names that a lab's parts carry, derived from its state directory alone.
///
/// A lab whose journal is gone can thus still be found and removed, and two clones never touch each other's.
struct LabIdentity: Sendable, Equatable {
    /// The most hosts of one lab: one /24 less network, bridge and broadcast, rounded down.
    static let hostLimit = 200
    /// How many /24 subnets 198.18.0.0/15 (RFC 2544) has.
    static let subnetCount = 512

    /// The state directory's real path.
    let stateDirectory: FilePath
    /// FNV-1a (Fowler, Noll, Vo), 64 bits, of the path.
    let hash: UInt64

    init(stateDirectory: FilePath) {
        self.stateDirectory = stateDirectory
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in stateDirectory.string.utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        self.hash = hash
    }

    /// Six characters of 0–9a–v: with `st`, `n` and three digits below IFNAMSIZ (15 characters).
    var id: String {
        let alphabet = Array("0123456789abcdefghijklmnopqrstuv")
        return String((0..<6).map { alphabet[Int(hash >> UInt64($0 * 5) & 31)] })
    }

    /// Every interface of the lab on this machine begins with this.
    var linkPrefix: String { "st" + id }
    /// The bridge's interface name.
    var bridge: String { linkPrefix }
    /// The machine's end of a host's cable.
    func link(_ index: Int) -> String { linkPrefix + "n\(index)" }

    /// The metric of the lab's own `unreachable` route: higher than any other, and its own, so that labs side by side
    /// each add and remove theirs.
    var routeMetric: UInt32 { 0xF000_0000 | UInt32(truncatingIfNeeded: hash >> 36) & 0x0FFF_FFFF }

    /// Where the search for a free subnet begins.
    var firstSubnet: Int { Int(hash >> 17) % Self.subnetCount }

    /// A fixed hardware address for each host, so that no neighbour's cache goes stale when one boots again.
    func hardwareAddress(_ index: Int) -> String {
        let bytes = [
            0x02, UInt8(truncatingIfNeeded: hash >> 8), UInt8(truncatingIfNeeded: hash >> 16),
            UInt8(truncatingIfNeeded: hash >> 24), UInt8(truncatingIfNeeded: index >> 8),
            UInt8(truncatingIfNeeded: index),
        ]
        return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }

    /// What each host's first process carries in its environment: how a lab's processes are told from all others.
    var marker: String { "SEATRIAL_LAB=" + stateDirectory.string }
}

/// One /24 of 198.18.0.0/15.
struct LabSubnet: Sendable, Equatable, Codable {
    /// 0 is 198.18.0.0/24, 511 is 198.19.255.0/24.
    let number: Int

    private var prefix: String { "198.\(18 + number / 256).\(number % 256)." }
    /// The subnet in CIDR form.
    var cidr: String { prefix + "0/24" }
    /// The bridge's address.
    var bridgeAddress: String { prefix + "1" }
    /// The address of host number `index`, counted from 1: 11, 12, …
    func address(_ index: Int) -> String { prefix + "\(10 + index)" }

    /// The first subnet at or after `start` that overlaps none of the routes of `/proc/net/route`.
    ///
    /// Nil when all 512 are taken. A route of metric 0xF… with interface `*` is a lab's own `unreachable` one.
    static func firstFree(from start: Int, routes: String) -> LabSubnet? {
        var taken: [(UInt32, UInt32)] = []
        for line in routes.split(separator: "\n").dropFirst() {
            let fields = line.split(whereSeparator: { $0 == "\t" || $0 == " " })
            guard fields.count > 7, fields[0] != "*", let destination = UInt32(fields[1], radix: 16),
                let mask = UInt32(fields[7], radix: 16), mask != 0
            else { continue }
            taken.append((destination.byteSwapped, mask.byteSwapped))
        }
        for step in 0..<LabIdentity.subnetCount {
            let number = (start + step) % LabIdentity.subnetCount
            let address: UInt32 = 0xC612_0000 + UInt32(number) << 8
            let isFree = taken.allSatisfy { route, mask in
                let common = mask & 0xFFFF_FF00
                return address & common != route & common
            }
            if isFree { return LabSubnet(number: number) }
        }
        return nil
    }
}
