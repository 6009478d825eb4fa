import LabText
import Testing

@Suite("YAML: documents and their lines")
struct YAMLParserTests {
    @Test("A mapping keeps the file's order and the line of each key and value")
    func lines() throws {
        let root = try #require(try YAMLParser.parse("# a comment\nb: 1\na:\n  - x\n  - 'y'\n", limits: .small))
        #expect(root.mapping?.map(\.key.text) == ["b", "a"])
        #expect(root.mapping?.map(\.key.line) == [2, 3])
        #expect(root["a"]?.sequence?.map(\.line) == [4, 5])
        #expect(root["a"]?.sequence?.map(\.text) == ["x", "y"])
        #expect(root["c"] == nil)
    }

    @Test("Nothing, and nothing but comments, is no document", arguments: ["", "\n", "# only this\n", "---\n...\n"])
    func empty(text: String) throws {
        let root = try YAMLParser.parse(text, limits: .small)
        #expect(root == nil || root?.isNull == true)
    }

    @Test(
        "Plain words mean what they mean to Ansible; quoted ones are text",
        arguments: [
            ("~", .null), ("null", .null), ("yes", .bool(true)), ("Off", .bool(false)), ("y", .string),
            ("12", .int(12)), ("-12", .int(-12)), ("+7", .int(7)), ("0644", .int(420)), ("0o17", .int(15)),
            ("0x1F", .int(31)), ("0b101", .int(5)), ("1_000", .int(1000)), ("22:30", .int(1350)), ("0", .int(0)),
            ("1.5", .double(1.5)), ("-0.5", .double(-0.5)), ("1.", .double(1)), ("1.5e+3", .double(1500)),
            (".inf", .double(.infinity)), ("10.0.0.1", .string), ("-", .string), ("1e3", .string), ("--5", .string),
            ("0899", .string), ("99999999999999999999", .string), ("22:70", .string), ("1.2.3", .string),
        ] as [(String, YAMLScalar.Value)])
    func scalars(text: String, meaning: YAMLScalar.Value) {
        #expect(YAMLScalar(text: text, isPlain: true).value == meaning)
        #expect(YAMLScalar(text: text, isPlain: false).value == .string)
    }

    @Test(
        "A mistake names its line",
        arguments: [
            ("a: 1\n\tb: 2\n", 2, "a tab stands where"), ("a:\n  b: 1\n\tc: 2\n", 3, "a tab stands where"),
            ("a: 1\na: 2\n", 2, "'a' is given twice"), ("1: x\n'1': y\n", 2, "'1' is given twice"),
            ("a: 'x\n", 2, "quoted scalar"), ("a: [1\n", 2, ""), ("a: 1\n---\nb: 2\n", 3, "a second document"),
            ("a: &x 1\n", 1, "anchors"), ("a: 1\nb: *x\n", 2, "anchors"),
        ])
    func mistakes(text: String, line: Int, says: String) {
        let mistake = #expect(throws: YAMLMistake.self) { try YAMLParser.parse(text, limits: .small) }
        #expect(mistake?.line == line)
        #expect(mistake?.text.contains(says) == true || says.isEmpty, "\(mistake?.text ?? "")")
    }

    @Test("A tab inside of text is text")
    func tabInText() throws {
        let root = try YAMLParser.parse("a: |\n  x\n  \ty\nb: \"\tz\"\n", limits: .small)
        #expect(root?["a"]?.text == "x\n\ty\n")
        #expect(root?["b"]?.text == "\tz")
    }

    @Test("Bytes that are no text are refused without a trap")
    func binary() {
        #expect(throws: YAMLMistake.self) { try YAMLParser.parse("a: \u{1}\u{2}\n", limits: .small) }
    }

    @Test("References unfold, and a merge yields to what the mapping says itself")
    func references() throws {
        let text = "base: &b {x: 1, y: 2}\none: *b\ntwo:\n  <<: *b\n  y: 3\n"
        let root = try #require(try YAMLParser.parse(text, limits: .large))
        #expect(root["one"]?["y"]?.text == "2")
        #expect(root["two"]?["x"]?.text == "1")
        #expect(root["two"]?["y"]?.text == "3")
        let mistake = #expect(throws: YAMLMistake.self) { try YAMLParser.parse("a: *b\n", limits: .large) }
        #expect(mistake?.text.contains("no anchor") == true)
    }

    @Test("A few lines can't unfold to gigabytes")
    func unfolding() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1..<12 {
            let items = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(items)]\n"
        }
        let mistake = #expect(throws: YAMLMistake.self) { try YAMLParser.parse(text, limits: .large) }
        #expect(mistake?.text.contains("more than 1000000 values") == true)
    }

    @Test("Nesting is bounded, in brackets and in dashes", arguments: ["[", "- ", "{a: "])
    func nesting(opening: String) {
        for depth in [17, 5_000] {
            let text = String(repeating: opening, count: depth)
            #expect(throws: YAMLMistake.self) { try YAMLParser.parse(text, limits: .small) }
        }
    }

    @Test("One mapping over another replaces whole entries and appends new ones")
    func merged() throws {
        let first = try #require(try YAMLParser.parse("a: 1\nb: {x: 1}\n", limits: .small))
        let second = try #require(try YAMLParser.parse("b: {y: 2}\nc: 3\n", limits: .small))
        let merged = first.merged(with: second)
        #expect(merged.mapping?.map(\.key.text) == ["a", "b", "c"])
        #expect(merged["b"]?["x"] == nil)
        #expect(merged["b"]?["y"]?.text == "2")
    }
}
