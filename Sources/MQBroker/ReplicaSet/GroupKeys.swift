import MQEtcd
import MQReplication
import MQWire
import NIOCore

/// What a group has in etcd, below `/seatrial/CLUSTER/NAME/`. Pure.
///
/// ```
/// state        {"epoch": 3, "mark": "…", "heir": 2, "inSync": [{"id": 1, "incarnation": "…"}, …]}   numbers of 64 bits in hex
/// master       the number of the broker that is the master, held by its lease
/// members/ID   {"address": "host:port"}   where the broker is
/// ```
/// How often `state` was written is the group's revision.
enum GroupKeys {
    static let state = "state"
    static let master = "master"
    static let members = "members/"

    struct Illegible: Error, CustomStringConvertible {
        var key: String
        var description: String { "the key '\(key)' of the group says what cannot be read" }
    }

    static func prefix(cluster: String, name: String) -> String { "/seatrial/\(cluster)/\(name)/" }

    /// The group, as a snapshot has it; throws rather than guessing.
    static func group(_ seen: EtcdSnapshot) throws(Illegible) -> GroupState {
        var group = GroupState(seenAt: seen.revision)
        if let held = seen.values[master] {
            guard let id = Int64(held.value) else { throw Illegible(key: master) }
            (group.master, group.lease) = (ReplicaID(id), held.lease)
        }
        guard let saved = seen.values[state] else { return group }
        guard let json = try? JSONValue(parsing: saved.value), let number = json["epoch"]?.integerValue,
            let mark = hex(json["mark"]), let items = json["inSync"]?.arrayValue
        else { throw Illegible(key: state) }
        group.revision = saved.version
        group.epoch = Epoch(number: number, mark: mark)
        group.heir = json["heir"]?.integerValue.map { ReplicaID($0) }
        for item in items {
            guard let id = item["id"]?.integerValue, let incarnation = hex(item["incarnation"]) else {
                throw Illegible(key: state)
            }
            group.inSync.append(Replica(id: ReplicaID(id), incarnation: incarnation))
        }
        return group
    }

    /// What `state` says of a group.
    static func text(epoch: Epoch, inSync: [Replica], heir: ReplicaID?) -> String {
        var members: [JSONMember] = [
            JSONMember("epoch", .integer(epoch.number)), JSONMember("mark", .string(hex(epoch.mark))),
        ]
        if let heir { members.append(JSONMember("heir", .integer(heir.number))) }
        let items = inSync.sorted().map { replica -> JSONValue in
            ["id": .integer(replica.id.number), "incarnation": .string(hex(replica.incarnation))]
        }
        members.append(JSONMember("inSync", .array(items)))
        return JSONValue.object(members).text
    }

    static func text(address: String) -> String { JSONValue.object([JSONMember("address", .string(address))]).text }

    /// Where the group's brokers are, as far as that can be read.
    static func addresses(_ seen: EtcdSnapshot) -> [(id: ReplicaID, address: String)] {
        seen.values.compactMap { key, value in
            guard key.hasPrefix(members), let id = Int64(key.dropFirst(members.count)),
                let address = (try? JSONValue(parsing: value.value))?["address"]?.stringValue
            else { return nil }
            return (ReplicaID(id), address)
        }
    }

    private static func hex(_ value: UInt64) -> String { String(value, radix: 16) }
    private static func hex(_ json: JSONValue?) -> UInt64? { json?.stringValue.flatMap { UInt64($0, radix: 16) } }
}
