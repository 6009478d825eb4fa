import MQWire
import Testing

@Suite struct JSONTests {
    @Test(arguments: [
        ("{0:\"a:1\",1:\"b:2\"}", #"{"0":"a:1","1":"b:2"}"#),
        (#"{"t":{{"q":1,"b":"x"}:5}}"#, #"{"t":{"{\"q\":1,\"b\":\"x\"}":5}}"#),
        ("[ 1 , -2, 3.5, true, null, \"\" ]", #"[1,-2,3.5,true,null,""]"#),
        (#""\u00e9\ud83d\ude00\/\t""#, #""é😀/\t""#),
        (#""\ud83d!""#, "\"\u{FFFD}!\""),
        ("9223372036854775807", "9223372036854775807"),
        ("{}\n", "{}"),
    ])
    func lenientIn_strictOut(_ input: String, _ output: String) throws {
        #expect(try JSONValue(parsing: input).text == output)
        #expect(try JSONValue(parsing: output).text == output)
    }

    @Test(arguments: [
        ("", 0), ("{", 1), ("{\"a\"}", 4), ("[1,]", 3), ("\"abc", 4), ("{\"a\":1 \"b\":2}", 7), ("1 2", 2),
        (#""\u12g4""#, 5),
    ])
    func whatIsNoJSONIsRefusedWithItsPlace(_ input: String, _ offset: Int) {
        let error = #expect(throws: JSONError.self) { try JSONValue(parsing: input) }
        #expect(error?.offsetBytes == offset, "\(input)")
    }

    @Test func nestingHasALimit() {
        #expect(throws: JSONError.self) { try JSONValue(parsing: String(repeating: "[", count: 10_000)) }
    }

    @Test func scalarsAreReadAsWhatTheCallerWants() throws {
        let value = try JSONValue(parsing: #"{"a":"12","b":7,"c":"true","d":null}"#)
        #expect(value["a"]?.integerValue == 12)
        #expect(value["b"]?.stringValue == "7")
        #expect(value["c"]?.boolValue == true)
        #expect(value["d"] == nil)
        #expect(value["a"]?["x"] == nil)
    }
}
