import LabText
import Testing

@Suite("YAML: decoding")
struct YAMLDecoderTests {
    enum Colour: String, Decodable, CaseIterable { case red, green }

    struct Thing: Decodable, Equatable {
        var name: String
        var count: Int
        var share: Double
        var isOn: Bool
        var colour: Colour
        var labels: [String: String]?
        var parts: [Part]

        struct Part: Decodable, Equatable {
            var size: UInt8
        }
    }

    static let good = """
        name: 12
        count: '3'
        share: 1
        isOn: yes
        colour: green
        labels: {a: 5}
        parts:
          - size: 200
        """

    @Test("Every kind of value is taken as it is meant")
    func decodes() throws {
        let thing: Thing = try #require(try YAMLParser.parse(Self.good, limits: .small)).decode()
        #expect(
            thing
                == Thing(
                    name: "12", count: 3, share: 1, isOn: true, colour: .green, labels: ["a": "5"],
                    parts: [.init(size: 200)]))
    }

    @Test(
        "What can't be taken is told with its line, its place and what was expected",
        arguments: [
            ("count: '3'", "count: many", YAMLMistake.Kind.value, 2, "'count': expected a whole number"),
            ("share: 1", "share: half", .value, 3, "'share': expected a number"),
            ("isOn: yes", "isOn: perhaps", .value, 4, "'isOn': expected true or false"),
            ("colour: green", "colour: blue", .value, 5, "'colour': expected one of red, green; found 'blue'"),
            ("labels: {a: 5}", "labels: [a]", .value, 6, "'labels': expected 'key: value' lines"),
            ("size: 200", "size: 300", .value, 8, "'parts[0].size': expected a whole number from 0 to 255"),
            ("size: 200", "seize: 200", .missing, 8, "'size' is missing in parts[0]; add it"),
            ("name: 12", "name:", .value, 1, "'name': expected text"),
            ("name: 12", "nome: 12", .missing, 1, "'name' is missing; add it"),
            ("parts:\n  - size: 200", "parts: none", .value, 7, "'parts': expected a list"),
        ])
    func mistakes(part: String, instead: String, kind: YAMLMistake.Kind, line: Int, says: String) throws {
        let pieces = Self.good.split(separator: part, maxSplits: 1, omittingEmptySubsequences: false)
        let text = pieces.joined(separator: instead)
        let root = try #require(try YAMLParser.parse(text, limits: .small))
        let mistake = #expect(throws: YAMLMistake.self) { try root.decode(Thing.self) }
        #expect(mistake?.kind == kind)
        #expect(mistake?.line == line)
        #expect(mistake?.text.hasPrefix(says) == true, "\(mistake?.text ?? "")")
    }
}
