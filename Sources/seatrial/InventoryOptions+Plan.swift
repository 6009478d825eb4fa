import LabCluster
import LabHosts
import LabInventory

extension InventoryOptions {
    /// Which host runs what, for a mode and the hosts that the limit leaves.
    func plan(_ topology: Topology, in hosts: Inventory) throws -> DeploymentPlan {
        // Without hosts of its own etcd runs beside the nameservers.
        let hasEtcdHosts = hosts.group("etcd") != nil
        return try Placement.plan(
            topology,
            nameservers: select(
                "nameservers", of: hosts,
                needed: max(topology.nameservers, hasEtcdHosts ? 0 : topology.etcd), for: topology),
            brokers: select("brokers", of: hosts, needed: topology.brokers.count, for: topology),
            etcd: hasEtcdHosts ? select("etcd", of: hosts, needed: topology.etcd, for: topology) : nil)
    }

    /// The hosts of a group; too few are refused with the command that gets enough.
    private func select(
        _ group: String, of hosts: Inventory, needed: Int, for topology: Topology
    ) throws -> [InventoryHost] {
        guard hosts.group(group) != nil else {
            let place = inventories.isEmpty ? "the inventory" : inventories.joined(separator: ", ")
            throw UsageError(
                "\(place): mode \(topology.mode) needs a group '\(group)' with \(needed) host\(needed == 1 ? "" : "s"); add it"
            )
        }
        let found = try hosts.select(group, limit: limit)
        guard found.count < needed else { return found }
        let there =
            limit.map { "--limit '\($0)' leaves \(found.count)" }
            ?? "there \(found.count == 1 ? "is" : "are") \(found.count)"
        let enough = LocalHosts.count(
            nameservers: max(topology.nameservers, topology.etcd), brokers: topology.brokers.count)
        let wayOut: String
        if limit != nil, try hosts.select(group, limit: nil).count >= needed {
            wayOut = "widen the limit"
        } else if inventories.isEmpty, let enough {
            wayOut = "bring up enough with 'seatrial hosts up \(enough)'"
        } else {
            wayOut = "add hosts to that group of the inventory"
        }
        throw UsageError(
            "mode \(topology.mode) needs \(needed) host\(needed == 1 ? "" : "s") in group '\(group)', \(there): \(wayOut)"
        )
    }
}
