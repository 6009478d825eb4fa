import LabCourse
import Testing

@Suite struct AnswerParserTests {
    private func question(_ id: String) throws -> Question {
        try #require(try Project.lab01().questions.first { $0.id == id })
    }

    @Test(
        arguments: [
            ("survives-kill", "b", "b"), ("survives-kill", " B) ", "b"), ("survives-kill", "c.", "c"),
            ("survives-kill", "none", "a"), ("survives-kill", "ALL of\nthem", "d"),
            ("survives-kill", "those that", nil),
            ("survives-kill", "those that no", "c"),
            ("survives-kill", "e", nil), ("survives-kill", "", nil), ("survives-kill", "al", nil),
            ("offset-id-log", "186245", "186245"), ("offset-id-log", " 186_245 ", "186245"),
            ("offset-id-log", "186,245", "186245"), ("offset-id-log", "0x2D785", "186245"),
            ("offset-id-log", "2D785", nil), ("offset-id-log", "1e5", nil),
            ("offset-id-log", "99999999999999999999", nil),
            ("offset-id-store", "198.18.0.12:10911", "198.18.0.12:10911"),
            ("offset-id-store", " 198.018.0.12:10911", "198.18.0.12:10911"),
            ("offset-id-store", "198.18.0.12", nil), ("unique-id-address", "198.18.0.21", "198.18.0.21"),
            ("unique-id-address", "198.18.0.21:80", nil), ("offset-id-store", "198.18.0.256:1", nil),
            ("offset-id-store", "198.18.0.12:70000", nil), ("offset-id-store", "198.18.0", nil),
            ("offset-id-store", "a.b.c.d", nil), ("offset-id-store", "1.2.3.4:5:6", nil),
        ] as [(String, String, String?)])
    func readsLenientlyInFormAndStrictlyInMeaning(_ id: String, _ text: String, _ wanted: String?) throws {
        let parser = AnswerParser(try question(id))
        #expect((try? parser.parse(text)) == wanted)
    }

    @Test func aNearMissIsTold() throws {
        let parser = AnswerParser(try question("survives-kill"))
        #expect(throws: AnswerParser.Failure(description: "'nome' is none of the choices; did you mean a?")) {
            try parser.parse("Nome")
        }
        #expect(parser.wanted == "answer with one of a, b, c, d")
    }

    @Test func aLongAnswerIsRefusedUnread() throws {
        let parser = AnswerParser(try question("offset-id-log"))
        #expect(throws: AnswerParser.Failure.self) { try parser.parse(String(repeating: "1", count: 1 << 20)) }
    }
}
