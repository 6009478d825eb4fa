import MQTransport
import MQWire
import NIOCore
import Testing

@testable import MQBroker

@Suite struct SQLFilterTests {
    private static let properties = [
        "a": "5", "b": "5.5", "text": "it's", "yes": "TRUE", "big": "3000000000", "word": "abc", "blank": "",
    ]

    private static func matches(_ text: String) throws -> Bool { try SQLFilter(text).matches { properties[$0] } }

    @Test(arguments: [
        "a = 5", "a <> 6", "a >= 5 AND a <= 5", "a BETWEEN 1 AND 5", "a NOT BETWEEN 6 AND 9", "a between -5 and +5",
        "a IN ('4', '5')", "a NOT IN ('4')", "text = 'it''s'", "missing IS NULL", "a IS NOT NULL", "yes = TRUE",
        "TRUE", "NOT FALSE", "NOT (a = 6)", "a = 6 OR b > 5.4", "a = 5 AND b = 5.5 AND word = 'abc'",
        "(a = 5 OR missing = 1) AND NOT (b < 5.0)", "b > 5.", "b > .5E1", "b < 1e10", "big > 2999999999L",
        "a > 4 -- a comment", "a /* five */ = /* * */ 5", "A_1 IS NULL AND $x IS NULL", "a = '5'", "blank = ''",
        "missing = 1 OR a = 5", "5 = a", "a < b", "-(-5) = a", "0 < a",
    ])
    func theseWantTheMessage(_ text: String) throws { #expect(try Self.matches(text)) }

    @Test(arguments: [
        "a = 6", "a <> 5", "a > 5", "missing = 1", "NOT (missing = 1)", "missing <> 1", "missing IN ('a')",
        "missing NOT IN ('a')", "missing > 1 AND a = 5", "missing BETWEEN 1 AND 2", "a IS NULL", "yes", "missing",
        "FALSE", "NULL", "NOT NULL", "text = 'its'", "a IN ('55')", "yes = FALSE", "A = 5",
        // A text that is no number of the kind beside it ends the evaluation, as in RocketMQ.
        "word > 1", "word > 1 OR a = 5", "b > 5", "NOT (word > 1)", "big > 5", "a < word",
    ])
    func theseDoNot(_ text: String) throws { #expect(try !Self.matches(text)) }

    @Test(
        arguments: [
            ("", 1), ("a", nil), ("a =", 4), ("a = 5 5", 7), ("a = 05", 5), ("a > 'x'", 5), ("a > TRUE", 5), ("5", 1),
            ("'x'", 1), ("a AND 5", 7), ("a = NULL", 5), ("a BETWEEN 5 AND 1", 11), ("a BETWEEN 'a' AND 'b'", 11),
            ("a BETWEEN 1", 12), ("a IN ()", 7), ("a IN (1)", 7), ("a IN ('x'", 10), ("5 IN ('x')", 1), ("a IS 5", 6),
            ("(a = 5", 7), ("a = 5)", 6), ("a # 5", 3), ("a = 'x", 5), ("a /* b", 3), ("a = 9223372036854775808", 5),
            // NOT binds to what follows at once.
            ("NOT b < 5", 1), ("a NOT 5", 7), ("AND", 4), ("TRUE = 5", 8), ("(a = 5) > 1", 1),
        ] as [(String, Int?)])
    func theseAreRefusedWithTheirPlace(_ text: String, _ position: Int?) {
        do throws(SQLFilterError) {
            _ = try SQLFilter(text)
            #expect(position == nil, "it was taken")
        } catch { #expect(error.position == position, "\(error)") }
    }

    @Test func depthAndLengthAreLimited() {
        let deep = String(repeating: "(", count: 5000) + "a = 5" + String(repeating: ")", count: 5000)
        for text in [
            deep, String(repeating: "NOT ", count: 3000) + "a",
            String(repeating: "-", count: 1) + String(repeating: " -", count: 5000) + "a = 1",
            "a" + String(repeating: " = a", count: 3000), "a" + String(repeating: " > a", count: 3000),
            "a IN (" + String(repeating: "'x',", count: 5000) + "'x')",
            String(repeating: "a = 5 OR ", count: 5000) + "a",
        ] {
            #expect(throws: SQLFilterError.self) { try SQLFilter(text) }
        }
        // A long chain is no deep tree.
        #expect(throws: Never.self) { try SQLFilter(String(repeating: "a = 5 OR ", count: 1500) + "a = 5") }
    }

    /// Random conditions, printed and read again, against a table of truth that knows nothing of the reader.
    @Test func aReadConditionMeansWhatWasWritten() throws {
        var random = SystemRandomNumberGenerator()
        let seed = UInt64.random(in: 0...UInt64.max, using: &random)
        var generator = Seeded(state: seed)
        for _ in 0..<500 {
            let condition = Condition.random(depth: 4, &generator)
            let filter = try SQLFilter(condition.text)
            for a in [nil, "1", "2"] {
                for b in [nil, "1", "2"] {
                    let properties = ["a": a, "b": b]
                    let wanted = condition.truth(properties) == true
                    #expect(
                        filter.matches { properties[$0] ?? nil } == wanted,
                        "seed \(seed): \(condition.text) with a=\(a ?? "-") b=\(b ?? "-")")
                }
            }
        }
    }

    private struct Seeded: RandomNumberGenerator {
        var state: UInt64

        /// SplitMix64.
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    private indirect enum Condition {
        case compare(String, String, Int)
        case isNull(String)
        case oneOf(String, Int)
        case not(Condition)
        case and(Condition, Condition)
        case or(Condition, Condition)

        static func random(depth: Int, _ generator: inout Seeded) -> Condition {
            let name = Bool.random(using: &generator) ? "a" : "b"
            switch Int.random(in: 0..<(depth > 0 ? 6 : 3), using: &generator) {
            case 0:
                return .compare(
                    name, ["=", "<>", "<", "<=", ">", ">="].randomElement(using: &generator) ?? "=",
                    .random(in: 1...2, using: &generator))
            case 1: return .isNull(name)
            case 2: return .oneOf(name, .random(in: 1...2, using: &generator))
            case 3: return .not(random(depth: depth - 1, &generator))
            case 4: return .and(random(depth: depth - 1, &generator), random(depth: depth - 1, &generator))
            default: return .or(random(depth: depth - 1, &generator), random(depth: depth - 1, &generator))
            }
        }

        var text: String {
            switch self {
            case .compare(let name, let sign, let number): "\(name) \(sign) \(number)"
            case .isNull(let name): "\(name) IS NULL"
            case .oneOf(let name, let number): "\(name) IN ('\(number)')"
            case .not(let inner): "NOT (\(inner.text))"
            case .and(let left, let right): "(\(left.text)) AND (\(right.text))"
            case .or(let left, let right): "(\(left.text)) OR (\(right.text))"
            }
        }

        func truth(_ properties: [String: String?]) -> Bool? {
            switch self {
            case .isNull(let name): return (properties[name] ?? nil) == nil
            case .oneOf(let name, let number): return (properties[name] ?? nil).map { $0 == "\(number)" }
            case .compare(let name, let sign, let number):
                return (properties[name] ?? nil).flatMap { Int($0) }.map { value in
                    switch sign {
                    case "=": value == number
                    case "<>": value != number
                    case "<": value < number
                    case "<=": value <= number
                    case ">": value > number
                    default: value >= number
                    }
                }
            case .not(let inner): return inner.truth(properties).map { !$0 }
            case .and(let left, let right):
                let (first, second) = (left.truth(properties), right.truth(properties))
                if first == false || second == false { return false }
                return first == nil || second == nil ? nil : true
            case .or(let left, let right):
                let (first, second) = (left.truth(properties), right.truth(properties))
                if first == true || second == true { return true }
                return first == nil || second == nil ? nil : false
            }
        }
    }

    // MARK: At the broker

    private static func pull(
        _ test: TestBroker, _ expression: String, from offset: Int64 = 0, holdMilliseconds: Int64 = 0, count: Int32 = 32
    ) async throws -> RemotingCommand {
        let flags =
            PullMessageRequestHeader.subscriptionFlag
            | (holdMilliseconds > 0 ? PullMessageRequestHeader.suspendFlag : 0)
        return try await test.call(
            .request(
                .pullMessage,
                PullMessageRequestHeader(
                    consumerGroup: "G", topic: "T", queueID: 0, queueOffset: offset, maxMessages: count, sysFlag: flags,
                    suspendTimeoutMilliseconds: holdMilliseconds, subscription: expression, expressionType: "SQL92")))
    }

    @Test func theBrokerGivesWhatTheConditionWants() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            for number in 0..<100 {
                _ = try await test.send("T", body: "m\(number)", properties: ["n": "\(number)"])
            }
            let answer = try await Self.pull(test, "n BETWEEN 90 AND 93 OR n = 7")
            #expect(try test.bodies(answer) == ["m7", "m90", "m91", "m92", "m93"])
            #expect(answer.extFields["nextBeginOffset"] == "100")
            // A limit of messages ends the answer behind the last one that was taken.
            let two = try await Self.pull(test, "n > 49", count: 2)
            #expect(try test.bodies(two) == ["m50", "m51"])
            #expect(two.extFields["nextBeginOffset"] == "52")
            let none = try await Self.pull(test, "n > 1000")
            #expect(none.responseCode == .pullRetryImmediately && none.extFields["nextBeginOffset"] == "100")
            let bad = try await Self.pull(test, "n >")
            #expect(bad.responseCode == .subscriptionParseFailed)
            #expect(bad.remark?.contains("at character 4") == true, "\(bad.remark ?? "")")
        }
    }

    /// Messages with other properties wake nobody; the one that is wanted does, at once.
    @Test func aHeldPullWaitsForAMessageThatItWants() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            _ = try await test.send("T", body: "m0", properties: ["n": "0"])
            async let held = Self.pull(test, "n = 5", from: 1, holdMilliseconds: 15_000)
            #expect(await eventually { test.broker.heldPulls == 1 })
            for number in 1...5 {
                _ = try await test.send("T", body: "m\(number)", properties: ["n": "\(number)"])
            }
            let answer = try await held
            #expect(try test.bodies(answer) == ["m5"])
        }
    }

    @Test func theBrokerSaysBeforehandWhatItCannotServe() async throws {
        func check(_ test: TestBroker, _ expression: String, _ type: String) async throws -> RemotingCommand {
            let data: JSONValue = [
                "clientId": "c", "group": "G",
                "subscriptionData": SubscriptionData(topic: "T", expression: expression, expressionType: type).json,
            ]
            return try await test.call(.request(.checkClientConfig, body: data.encoded()))
        }
        try await TestBroker.run { (test: TestBroker) async throws in
            #expect(try await check(test, "a = 5", "SQL92").responseCode == .success)
            #expect(try await check(test, "a || b", "TAG").responseCode == .success)
            #expect(try await check(test, "a = ", "SQL92").responseCode == .subscriptionParseFailed)
            #expect(try await check(test, "a", "XPATH").responseCode == .subscriptionParseFailed)
        }
        try await TestBroker.run {
            $0.filtersByProperties = false
        } _: { (test: TestBroker) async throws in
            let refused = try await check(test, "a = 5", "SQL92")
            #expect(refused.responseCode == .systemError)
            #expect(
                refused.remark?.hasPrefix("The broker does not support consumer to filter message by SQL92") == true)
        }
    }
}
