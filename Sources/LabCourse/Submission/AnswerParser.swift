import LabText

/// Reads what a learner wrote as the answer to one question, leniently in form and strictly in meaning.
public struct AnswerParser: Sendable {
    /// Longer text is no answer to any question of the course.
    public static let maximumLength = 512

    /// Why a text is no answer at all; it names what would be one.
    public struct Failure: Error, Sendable, Equatable, CustomStringConvertible {
        public var description: String

        public init(description: String) {
            self.description = description
        }
    }

    private let question: Question

    public init(_ question: Question) {
        self.question = question
    }

    /// The answer in its one canonical form: a choice's id, a plain number, `a.b.c.d` with a port if one is given,
    /// a text in lower case with single spaces. Two answers are the same exactly when these are.
    /// - Throws: `Failure` for a text that can't be an answer.
    public func parse(_ text: String) throws(Failure) -> String {
        guard text.utf8.count <= Self.maximumLength else {
            throw Failure(description: "an answer has at most \(Self.maximumLength) bytes")
        }
        let plain = Self.plain(text)
        guard !plain.isEmpty else { throw Failure(description: "no answer; \(wanted)") }
        switch question.kind {
        case .choice: return try choice(plain)
        case .number: return try number(plain)
        case .address: return try address(plain)
        case .text: return plain
        }
    }

    /// What an answer looks like, for a prompt.
    public var wanted: String {
        switch question.kind {
        case .choice: "answer with one of \(question.choices.map(\.id).joined(separator: ", "))"
        case .number: "answer with a whole number"
        case .address:
            wantsPort ? "answer with address and port like 192.0.2.1:10911" : "answer with an address like 192.0.2.1"
        case .text: "answer with a word or two"
        }
    }

    /// `b`, `B`, `b)`, the choice's text, or as much of its beginning as no other choice has.
    private func choice(_ text: String) throws(Failure) -> String {
        let bare = text.hasSuffix(")") || text.hasSuffix(".") ? String(text.dropLast()) : text
        let choices = question.choices.map { (id: $0.id, text: Self.plain($0.text)) }
        if let match = choices.first(where: { $0.id.lowercased() == bare || $0.text == text || $0.text == bare }) {
            return match.id
        }
        let beginning = choices.filter { $0.text.hasPrefix(bare) }
        if bare.count >= 3, beginning.count == 1 { return beginning[0].id }
        let near = Nearest.nearest(to: text, among: choices.map(\.text))
        let way = near.flatMap { near in choices.first { $0.text == near } }.map { "did you mean \($0.id)?" } ?? wanted
        throw Failure(description: "'\(Nearest.shown(text))' is none of the choices; \(way)")
    }

    /// Decimal or `0x` hexadecimal, with `_`, `,` or spaces between digits.
    private func number(_ text: String) throws(Failure) -> String {
        let digits = text.filter { $0 != "_" && $0 != "," && $0 != " " }
        let number = digits.hasPrefix("0x") ? Int64(digits.dropFirst(2), radix: 16) : Int64(digits)
        guard let number else {
            throw Failure(description: "'\(Nearest.shown(text))' is no whole number; \(wanted)")
        }
        return String(number)
    }

    private var wantsPort: Bool { question.answer.contains(":") }

    private func address(_ text: String) throws(Failure) -> String {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let octets = parts[0].split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        let numbers = octets.compactMap(\.self)
        guard octets.count == 4, numbers.count == 4, parts.count <= 2 else {
            throw Failure(description: "'\(Nearest.shown(text))' is no IPv4 address; \(wanted)")
        }
        let host = numbers.map(String.init).joined(separator: ".")
        guard (parts.count == 2) == wantsPort else {
            let what = wantsPort ? "no port, and one is asked for" : "a port, and none is asked for"
            throw Failure(description: "'\(Nearest.shown(text))' has \(what); \(wanted)")
        }
        guard parts.count == 2 else { return host }
        guard let port = UInt16(parts[1]) else {
            throw Failure(description: "'\(Nearest.shown(String(parts[1])))' is no port; a port is 0 to 65535")
        }
        return "\(host):\(port)"
    }

    private static func plain(_ text: String) -> String {
        text.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}
