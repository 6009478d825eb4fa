import MQStore
import MQWire
import NIOCore

/// Which messages of a topic a consumer wants.
enum MessageFilter: Sendable {
    /// By the hash of the tag, which stands in the queue's entries.
    case tags(TagFilter)
    /// By properties, which stand in the records.
    case properties(SQLFilter)

    /// Why a subscription cannot be served.
    struct Objection: Error, Equatable {
        var code: ResponseCode
        var remark: String
    }

    /// Reads what a consumer subscribes to; nothing and `TAG` are tags.
    ///
    /// - Parameter allowsProperties: whether the broker filters by properties at all.
    init(expression: String?, type: String?, allowsProperties: Bool = true) throws(Objection) {
        switch type ?? "TAG" {
        case "TAG", "":
            if let expression, expression.contains("|"), TagExpression.tags(in: expression).isEmpty {
                // Read as nothing it would want everything.
                throw Objection(
                    code: .subscriptionParseFailed,
                    remark: "parse the consumer's subscription failed: '\(expression)' names no tag")
            }
            self = .tags(TagFilter(expression: expression))
        case "SQL92":
            guard allowsProperties else {
                throw Objection(
                    code: .systemError,
                    remark: "The broker does not support consumer to filter message by SQL92 (enablePropertyFilter)")
            }
            do throws(SQLFilterError) {
                self = .properties(try SQLFilter(expression ?? ""))
            } catch {
                throw Objection(
                    code: .subscriptionParseFailed,
                    remark: "parse the consumer's subscription failed: '\(expression ?? "")' \(error)")
            }
        case let other:
            throw Objection(
                code: .subscriptionParseFailed, remark: "expression type '\(other)' is none (expected TAG or SQL92)")
        }
    }

    /// Whether a message with this code in its queue entry may be wanted.
    func mayWant(_ tagCode: Int64) -> Bool {
        switch self {
        case .tags(let filter): filter.wants(tagCode)
        case .properties: true
        }
    }

    /// Steps of evaluation that one pull may take, so that no condition holds a thread for long: some 100 ms.
    private static let stepsPerPull = 400_000

    /// Above this cost of a condition a message's properties are taken apart before they are looked at.
    private static let searchesWorthATable = 50

    /// How many records one pull may look into.
    var looksPerPull: Int {
        guard case .properties(let filter) = self else { return QueueRequest.scanLimit }
        return min(QueueRequest.scanLimit, max(64, Self.stepsPerPull / filter.cost))
    }

    /// What looks at a record's encoded properties; `nil` when the entry decides.
    var wantsProperties: (@Sendable (ByteBuffer) -> Bool)? {
        guard case .properties(let filter) = self else { return nil }
        guard filter.cost > Self.searchesWorthATable else {
            return { encoded in filter.matches { name in MessageProperties.value(named: name, in: encoded) } }
        }
        // Many searches through one text: it is taken apart once.
        return { encoded in filter.matches(MessageProperties(encoded).lookUp) }
    }
}

/// Filters by properties that were compiled, so that not every pull compiles its own. Pure.
struct FilterCache: Sendable {
    /// Expressions kept at most; beyond, all are forgotten: they are the clients' to invent.
    static let limit = 1024

    private var filters: [String: MessageFilter] = [:]

    /// The filter of an expression in SQL92; `nil` when it is not known.
    subscript(expression: String) -> MessageFilter? { filters[expression] }

    /// Keeps a filter for the next pull.
    mutating func keep(_ filter: MessageFilter, of expression: String) {
        if filters.count >= Self.limit { filters.removeAll() }
        filters[expression] = filter
    }
}
