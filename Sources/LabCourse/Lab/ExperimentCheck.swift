public import LabHistory
import LabText

/// Something that the trial must show.
public struct ExperimentCheck: Sendable, Equatable, Decodable {
    /// What it looks at.
    public enum Subject: Sendable, Equatable {
        /// How many of one anomaly the verdict has.
        case finding(AnomalyClass, Expected)
        /// What became of the fault with this id in the plan: `healed` means seen to bite and seen to be gone.
        case fault(String, FaultState)
        /// A fact of the run, by name, and its expected text.
        case fact(String, String)
    }

    public enum Expected: Sendable, Equatable {
        case exactly(Int)
        /// Any number will do, but it must be known.
        case counted
    }

    public enum FaultState: String, Sendable, Equatable, Decodable, CaseIterable { case healed }

    /// Unique in its lab, among questions and checks.
    public var id: String
    public var step: String
    public var title: String
    public var subject: Subject
    public var points: Int
    /// Why it must be so, shown with the result.
    public var rationale: String
    public var hint: String?
    public var dependsOn: [String]

    enum CodingKeys: String, CodingKey, CaseIterable {
        case id, step, title, finding, fault, fact, expected, points, rationale, hint
        case dependsOn = "depends_on"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(String.self, forKey: .id)
        step = try container.decode(String.self, forKey: .step)
        title = try container.decode(String.self, forKey: .title)
        points = try container.decode(Int.self, forKey: .points)
        rationale = try container.decode(String.self, forKey: .rationale)
        hint = try container.decodeIfPresent(String.self, forKey: .hint)
        dependsOn = try container.decodeIfPresent([String].self, forKey: .dependsOn) ?? []
        subject = try Self.subject(container)
    }

    private static func subject(_ container: KeyedDecodingContainer<CodingKeys>) throws -> Subject {
        func corrupted(_ key: CodingKeys, _ text: String) -> DecodingError {
            .dataCorruptedError(forKey: key, in: container, debugDescription: text)
        }
        let expected = try container.decode(String.self, forKey: .expected)
        if let name = try container.decodeIfPresent(String.self, forKey: .finding) {
            guard let anomaly = AnomalyClass(rawValue: name) else {
                let known = AnomalyClass.allCases.map(\.rawValue)
                throw corrupted(.finding, "no finding '\(name)'; \(Nearest.suggestion(for: name, among: known))")
            }
            if expected == "counted" { return .finding(anomaly, .counted) }
            guard let count = Int(expected), count >= 0 else {
                throw corrupted(.expected, "expected a number from 0, or 'counted'")
            }
            return .finding(anomaly, .exactly(count))
        }
        if let id = try container.decodeIfPresent(String.self, forKey: .fault) {
            guard let state = FaultState(rawValue: expected) else {
                throw corrupted(.expected, "expected 'healed'")
            }
            return .fault(id, state)
        }
        if let name = try container.decodeIfPresent(String.self, forKey: .fact) { return .fact(name, expected) }
        throw corrupted(.finding, "a check needs one of finding, fault, fact")
    }
}
