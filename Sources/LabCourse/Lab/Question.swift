/// Something that the learner is asked before the trial; its points are for the answer, whatever the trial shows.
public struct Question: Sendable, Equatable, Decodable {
    /// How an answer is read, see `AnswerParser`.
    public enum Kind: String, Sendable, Equatable, Decodable, CaseIterable {
        case choice, text, number, address
    }

    public struct Choice: Sendable, Equatable, Decodable {
        public var id: String
        public var text: String
    }

    /// Unique in its lab, among questions and checks.
    public var id: String
    /// The id of the step in which it is asked.
    public var step: String
    /// A few words for the report.
    public var title: String
    public var kind: Kind
    public var prompt: String
    /// Empty for any kind but `choice`.
    public var choices: [Choice]
    /// The right answer: a choice's id, a number, an address, a text.
    public var answer: String
    public var points: Int
    /// Shown once it is answered.
    public var explanation: String
    public var hint: String?
    /// Questions or checks that must be right before this one counts.
    public var dependsOn: [String]

    enum CodingKeys: String, CodingKey, CaseIterable {
        case id, step, title, kind, prompt, choices, answer, points, explanation, hint
        case dependsOn = "depends_on"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(String.self, forKey: .id)
        step = try container.decode(String.self, forKey: .step)
        title = try container.decode(String.self, forKey: .title)
        kind = try container.decode(Kind.self, forKey: .kind)
        prompt = try container.decode(String.self, forKey: .prompt)
        choices = try container.decodeIfPresent([Choice].self, forKey: .choices) ?? []
        answer = try container.decode(String.self, forKey: .answer)
        points = try container.decode(Int.self, forKey: .points)
        explanation = try container.decode(String.self, forKey: .explanation)
        hint = try container.decodeIfPresent(String.self, forKey: .hint)
        dependsOn = try container.decodeIfPresent([String].self, forKey: .dependsOn) ?? []
    }
}
