public import MQTransport
import MQWire
public import NIOCore
import Synchronization

/// A key as it is.
public struct EtcdValue: Sendable, Hashable {
    public var value: String
    /// How often it was written since it is there.
    public var version: Int64
    /// The lease with which it ends; `nil` for one that stays.
    public var lease: Int64?

    public init(value: String, version: Int64, lease: Int64? = nil) {
        self.value = value
        self.version = version
        self.lease = lease
    }
}

/// The keys below a prefix at one moment.
public struct EtcdSnapshot: Sendable, Hashable {
    /// Its place in etcd's order of all changes.
    public var revision: Int64
    /// The term of etcd's leader, as the member that answered knows it.
    public var term: Int64
    /// By what follows the prefix.
    public var values: [String: EtcdValue]

    public init(revision: Int64, term: Int64, values: [String: EtcdValue]) {
        self.revision = revision
        self.term = term
        self.values = values
    }
}

/// The condition of a transaction.
public enum EtcdCondition: Sendable, Hashable {
    /// How often the key was written since it is there; 0 for one that is not.
    case version(key: String, Int64)
    case value(key: String, String)
    case lease(key: String, Int64)
}

/// What a transaction does.
public enum EtcdChange: Sendable, Hashable {
    case put(key: String, String, lease: Int64? = nil)
    case delete(key: String)
}

/// A cluster of etcd's: leases, transactions and reads below one prefix.
///
/// A request goes to the endpoint that answered last, and to the others in turn when it does not. So one that changes something
/// may take effect twice, or without its asker hearing of it: all changes here compare before.
public final class EtcdClient: Sendable {
    private let endpoints: [HostPort]
    private let prefix: String
    private let gateway: EtcdGateway
    /// How long one endpoint may take.
    private let timeout: Duration
    private let preferred = Atomic(0)

    /// - Parameters:
    ///   - endpoints: where etcd's clients are served; one at least.
    ///   - prefix: stands before all keys.
    ///   - timeout: how long one endpoint may take to answer.
    public init(endpoints: [HostPort], prefix: String, timeout: Duration, group: any EventLoopGroup) {
        precondition(!endpoints.isEmpty, "no endpoint of etcd's")
        self.endpoints = endpoints
        self.prefix = prefix
        self.timeout = timeout
        gateway = EtcdGateway(group: group)
    }

    // MARK: leases

    /// Makes a lease of so many seconds; gives its number.
    public func grant(seconds: Int64) async throws -> Int64 {
        let answer = try await post("/v3/lease/grant", ["TTL": Self.number(seconds)])
        guard let id = Self.integer(answer["ID"]) else { throw EtcdError.illegible(answer.text) }
        return id
    }

    /// Has a lease begin anew; whether it was still there. Counts only where the leader that did so was the leader: see ``renew(_:)``.
    private func keepAlive(_ lease: Int64, at endpoint: HostPort) async throws -> (isAlive: Bool, term: Int64) {
        let answer = try await gateway.post(
            "/v3/lease/keepalive", ["ID": Self.number(lease)], to: endpoint, timeout: timeout)
        guard let result = answer["result"], let term = Self.integer(result["header"]?["raft_term"]) else {
            throw EtcdError.illegible(answer.text)
        }
        return ((Self.integer(result["TTL"]) ?? 0) > 0, term)
    }

    /// Has a lease begin anew; `nil` when it is over, else what is below the prefix.
    ///
    /// A leader of etcd's that is cut off renews a lease without asking the others, which do not know of it. So the renewal
    /// counts when a read through the same member, in the same term, has had a majority's word after it.
    public func renew(_ lease: Int64) async throws -> EtcdSnapshot? {
        try await anywhere { [self] endpoint in
            let (isAlive, term) = try await keepAlive(lease, at: endpoint)
            guard isAlive else { return nil }
            let seen = try await read(at: endpoint)
            guard seen.term == term else { throw EtcdError.unanswered("its leader changed meanwhile") }
            return seen
        }
    }

    /// Ends a lease, and all keys that it holds.
    public func revoke(_ lease: Int64) async throws {
        do { _ = try await post("/v3/lease/revoke", ["ID": Self.number(lease)]) } catch let error as EtcdError {
            if !error.isNotFound { throw error }
        }
    }

    // MARK: keys

    /// What is below the prefix, as a majority has it.
    public func read() async throws -> EtcdSnapshot {
        try await anywhere { [self] endpoint in try await read(at: endpoint) }
    }

    private func read(at endpoint: HostPort) async throws -> EtcdSnapshot {
        try snapshot(try await gateway.post("/v3/kv/range", range, to: endpoint, timeout: timeout))
    }

    /// Makes all changes where all conditions hold; whether they did, and what is below the prefix then.
    public func change(
        _ changes: [EtcdChange], where conditions: [EtcdCondition]
    ) async throws -> (isDone: Bool, state: EtcdSnapshot) {
        let look: JSONValue = ["request_range": range]
        let answer = try await post(
            "/v3/kv/txn",
            [
                "compare": .array(conditions.map(json)), "success": .array(changes.map(json) + [look]),
                "failure": .array([look]),
            ])
        let isDone = answer["succeeded"]?.boolValue ?? false
        guard let seen = answer["responses"]?.arrayValue?.last?["response_range"] else {
            throw EtcdError.illegible(answer.text)
        }
        return (isDone, try snapshot(seen, header: answer["header"]))
    }

    /// Tells of each change below the prefix until the connection ends or says nothing for so long.
    public func watch(silence: Duration, _ changed: @escaping @Sendable () -> Void) async throws {
        let endpoint = endpoints[preferred.load(ordering: .relaxed) % endpoints.count]
        var create = range.objectValue ?? []
        create.append(JSONMember("progress_notify", .bool(true)))
        do {
            try await gateway.follow(
                "/v3/watch", ["create_request": .object(create)], from: endpoint, timeout: timeout, silence: silence
            ) { line in
                // What was created, too: something may have changed before.
                if line["result"]?["events"] != nil || line["result"]?["created"] != nil { changed() }
            }
        } catch {
            leave(endpoint)
            throw error
        }
    }

    // MARK: JSON

    private func json(_ condition: EtcdCondition) -> JSONValue {
        switch condition {
        case .version(let key, let version):
            ["key": encoded(key), "target": "VERSION", "result": "EQUAL", "version": Self.number(version)]
        case .value(let key, let value):
            ["key": encoded(key), "target": "VALUE", "result": "EQUAL", "value": .string(Base64.encode(value))]
        case .lease(let key, let lease):
            ["key": encoded(key), "target": "LEASE", "result": "EQUAL", "lease": Self.number(lease)]
        }
    }

    private func json(_ change: EtcdChange) -> JSONValue {
        switch change {
        case .put(let key, let value, let lease):
            [
                "request_put": [
                    "key": encoded(key), "value": .string(Base64.encode(value)), "lease": Self.number(lease ?? 0),
                ]
            ]
        case .delete(let key): ["request_delete_range": ["key": encoded(key)]]
        }
    }

    private func encoded(_ key: String) -> JSONValue { .string(Base64.encode(prefix + key)) }

    /// All below the prefix: up to the prefix whose last byte is one more.
    private var range: JSONValue {
        var end = Array(prefix.utf8)
        end[end.count - 1] += 1
        return [
            "key": encoded(""), "range_end": .string(Base64.encode(String(decoding: end, as: UTF8.self))),
        ]
    }

    private func snapshot(_ answer: JSONValue, header: JSONValue? = nil) throws(EtcdError) -> EtcdSnapshot {
        let header = header ?? answer["header"]
        guard let revision = Self.integer(header?["revision"]), let term = Self.integer(header?["raft_term"]) else {
            throw .illegible(answer.text)
        }
        var seen = EtcdSnapshot(revision: revision, term: term, values: [:])
        for item in answer["kvs"]?.arrayValue ?? [] {
            guard let key = item["key"]?.stringValue.flatMap({ Base64.decode($0) }), key.hasPrefix(prefix),
                let value = Base64.decode(item["value"]?.stringValue ?? ""), let version = Self.integer(item["version"])
            else { throw .illegible(item.text) }
            let lease = Self.integer(item["lease"]) ?? 0
            seen.values[String(key.dropFirst(prefix.count))] = EtcdValue(
                value: value, version: version, lease: lease == 0 ? nil : lease)
        }
        return seen
    }

    private static func number(_ value: Int64) -> JSONValue { .string(String(value)) }

    private static func integer(_ value: JSONValue?) -> Int64? {
        value?.stringValue.flatMap { Int64($0) } ?? value?.integerValue
    }

    // MARK: endpoints

    private func post(_ path: String, _ body: JSONValue) async throws -> JSONValue {
        try await anywhere { [self] endpoint in
            try await gateway.post(path, body, to: endpoint, timeout: timeout)
        }
    }

    /// Asks the endpoints in turn, from the one that answered last, until one does.
    private func anywhere<Answer: Sendable>(
        _ ask: @Sendable (HostPort) async throws -> Answer
    ) async throws -> Answer {
        var last: any Error = EtcdError.unanswered("nobody was asked")
        for _ in endpoints {
            let endpoint = endpoints[preferred.load(ordering: .relaxed) % endpoints.count]
            do { return try await ask(endpoint) } catch {
                if Task.isCancelled { throw error }
                // No leader, too late, too many: another member may know better. All else is an answer.
                if let refusal = error as? EtcdError, case .refused(let code, _) = refusal,
                    ![4, 8, 14].contains(code)
                {
                    throw error
                }
                last = error
                leave(endpoint)
            }
        }
        throw last
    }

    /// Prefers the next one, unless somebody did so before.
    private func leave(_ endpoint: HostPort) {
        let index = preferred.load(ordering: .relaxed)
        guard endpoints[index % endpoints.count] == endpoint else { return }
        _ = preferred.compareExchange(
            expected: index, desired: (index + 1) % endpoints.count, ordering: .relaxed)
    }
}
