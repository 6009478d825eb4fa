import Glibc
import SystemPackage

/// The lab's bridge, its address and the route that keeps the subnet's packets on this machine.
struct HostNetwork: Sendable {
    let identity: LabIdentity

    /// Serialises the choice of a subnet between labs of different state directories.
    private static let lockPath: FilePath = "/run/seatrial-subnets.lock"

    /// Makes sure that bridge, address and route are there; returns the subnet, a new one when `wanted` is nil or taken.
    func raise(wanted: LabSubnet?, _ record: (LabSubnet) throws(LocalHostsError) -> Void) throws(LocalHostsError)
        -> LabSubnet
    {
        let lock = try HostsLock(Self.lockPath, waitSeconds: 30)
        defer { lock.release() }
        let isThere = HostFiles.exists(FilePath("/sys/class/net/\(identity.bridge)"))
        let subnet: LabSubnet
        if isThere, let wanted {
            subnet = wanted
        } else {
            let routes = HostFiles.text("/proc/net/route") ?? ""
            guard let free = LabSubnet.firstFree(from: wanted?.number ?? identity.firstSubnet, routes: routes) else {
                throw LocalHostsError(
                    .subnetTaken,
                    "no free /24 in 198.18.0.0/15: 'ip route' shows who has it; take other labs down "
                        + "('seatrial hosts down' in their directories) or remove that route")
            }
            subnet = free
        }
        try record(subnet)
        var batch = isThere ? "" : "link add \(identity.bridge) type bridge forward_delay 0\n"
        batch += """
            link set \(identity.bridge) addrgenmode none
            addr replace \(subnet.bridgeAddress)/24 dev \(identity.bridge)
            link set \(identity.bridge) up
            route replace unreachable 198.18.0.0/15 metric \(identity.routeMetric)

            """
        try HostProgram.start(["ip", "-batch", "-"], input: batch).finish()
        // Even where the machine forwards, nothing that comes from this bridge is passed on.
        try setForwardingOff()
        return subnet
    }

    private func setForwardingOff() throws(LocalHostsError) {
        let path = "/proc/sys/net/ipv4/conf/\(identity.bridge)/forwarding"
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw HostFiles.failure("open", path) }
        defer { close(descriptor) }
        _ = "0\n".withCString { Glibc.write(descriptor, $0, 2) }
        guard HostFiles.text(FilePath(path))?.first == "0" else {
            throw LocalHostsError(
                .programFailed, "\(path): forwarding can't be switched off, so packets could leave; the lab stays down")
        }
    }

    /// Interfaces of the lab on this machine.
    func links() -> [String] {
        HostFiles.names("/sys/class/net").filter { $0.hasPrefix(identity.linkPrefix) }.sorted()
    }

    /// Whether the lab's `unreachable` route is there (`/proc/net/route` shows it with interface `*`).
    func hasRoute() -> Bool {
        let routes = HostFiles.text("/proc/net/route") ?? ""
        return routes.split(separator: "\n").contains { line in
            let fields = line.split(whereSeparator: { $0 == "\t" || $0 == " " })
            return fields.count > 7 && fields[0] == "*"
                && UInt32(fields[6]) ?? signed(fields[6]) == identity.routeMetric
        }
    }

    /// The kernel prints the metric as a signed number.
    private func signed(_ text: Substring) -> UInt32? { Int32(text).map { UInt32(bitPattern: $0) } }

    /// Removes links and route; those already gone are no error, those that stay are.
    func lower() throws(LocalHostsError) {
        // Cables before the bridge, which sorts first.
        var batch = links().reversed().map { "link del \($0)\n" }.joined()
        if hasRoute() { batch += "route del unreachable 198.18.0.0/15 metric \(identity.routeMetric)\n" }
        if !batch.isEmpty { try HostProgram.start(["ip", "-force", "-batch", "-"], input: batch).finishAnyhow() }
        let deadline = MonotonicClock.now() + 5_000_000_000
        while !links().isEmpty || hasRoute() {
            guard MonotonicClock.now() < deadline else {
                throw LocalHostsError(
                    .stillThere,
                    "the lab's network can't be removed: \((links() + (hasRoute() ? ["its route"] : [])).joined(separator: ", "))"
                )
            }
            usleep(1_000)
        }
    }

    /// Silences one host: from here on nothing that it sends arrives anywhere.
    func silence(_ index: Int) throws(LocalHostsError) {
        let link = identity.link(index)
        guard HostFiles.exists(FilePath("/sys/class/net/\(link)")) else { return }
        try HostProgram.start(["ip", "link", "set", link, "down"]).finish()
    }

    /// Removes the cable of one host that is to boot again.
    func unplug(_ index: Int) throws(LocalHostsError) {
        let link = identity.link(index)
        guard HostFiles.exists(FilePath("/sys/class/net/\(link)")) else { return }
        try HostProgram.start(["ip", "link", "del", link]).finishAnyhow()
        let deadline = MonotonicClock.now() + 5_000_000_000
        while HostFiles.exists(FilePath("/sys/class/net/\(link)")) {
            guard MonotonicClock.now() < deadline else {
                throw LocalHostsError(.stillThere, "interface \(link) can't be removed; try 'ip link del \(link)'")
            }
            usleep(1_000)
        }
    }
}
