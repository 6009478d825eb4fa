import MQTransport
import Testing

@Suite struct SettingsTests {
    static let text = """
        # a comment
        ! another
        brokerName=broker-a
        listenPort : 10911
        path   /a/b\\ c
        long = one \\
               two
        empty=
        esc\\=aped = tab\\there
        brokerName = broker-b
        """

    private func settings(_ text: String, _ commandLine: [String: String] = [:]) throws -> Settings {
        Settings(file: try PropertiesFile(text: text, name: "b.properties"), commandLine: commandLine)
    }

    @Test func propertiesAreReadAsJavaReadsThem() throws {
        let file = try PropertiesFile(text: Self.text, name: "b.properties")
        let read = file.entries.map { "\($0.line) \($0.key)=\($0.value)" }
        #expect(
            read == [
                "3 brokerName=broker-a", "4 listenPort=10911", "5 path=/a/b c", "6 long=one two", "8 empty=",
                "9 esc=aped=tab\there", "10 brokerName=broker-b",
            ])
    }

    @Test func aLineWithoutKeyIsRefused() {
        let error = #expect(throws: ConfigurationError.self) { try PropertiesFile(text: "\n=x", name: "f") }
        #expect(error?.description == "f:2: '=x' has no key (expected key=value)")
    }

    @Test func aMissingFileIsNamed() {
        let error = #expect(throws: ConfigurationError.self) { try PropertiesFile(contentsOf: "/no/such.properties") }
        #expect(error?.description == "/no/such.properties: cannot be read: No such file or directory")
    }

    @Test func valuesAreTypedAndTheCommandLineWins() throws {
        var settings = try settings(Self.text, ["listenPort": "20911"])
        #expect(settings.string("brokerName") == "broker-b")
        #expect(try settings.integer("listenPort", in: 1...65535, default: 1) == 20911)
        #expect(settings.string("empty") == nil)
        #expect(try settings.milliseconds("absent", default: .seconds(3)) == .seconds(3))
    }

    enum Flush: String, CaseIterable { case sync = "SYNC_FLUSH", async = "ASYNC_FLUSH" }

    @Test func badValuesNameFileLineKeyAndWayOut() throws {
        var settings = try settings("listenPort=1O911\nflushDiskType=SYNCH\nauto=yes")
        var error = #expect(throws: ConfigurationError.self) {
            try settings.integer("listenPort", in: 1...65535, default: 1)
        }
        #expect(
            error?.description
                == "b.properties:1: listenPort: '1O911' is not accepted (accepted: an integer from 1 to 65535)")
        error = #expect(throws: ConfigurationError.self) { try settings.choice("flushDiskType", default: Flush.sync) }
        #expect(
            error?.description
                == "b.properties:2: flushDiskType: 'SYNCH' is not accepted (accepted: SYNC_FLUSH, ASYNC_FLUSH)")
        error = #expect(throws: ConfigurationError.self) { try settings.bool("auto", default: false) }
        #expect(error?.line == 3)
    }

    @Test func aKeyWithoutAValueIsTold() throws {
        var settings = try settings("brokerName\nlistenPort=\n")
        _ = settings.string("brokerName")
        _ = settings.string("listenPort")
        #expect(settings.unknownKeyWarnings() == ["b.properties:1: 'brokerName' has no value (expected key=value)"])
    }

    @Test func unknownKeysWarnWithTheNearestKnownOne() throws {
        var settings = try settings("brokerNmae=a\nlistenPort=1\nrocketmqHome=/x\nzzzzzzzz=1")
        _ = settings.string("brokerName")
        _ = try settings.integer("listenPort", in: 1...9, default: 1)
        #expect(
            settings.unknownKeyWarnings(ignoring: ["rocketmqHome"]) == [
                "b.properties:1: unknown key brokerNmae (did you mean brokerName?); it is ignored",
                "b.properties:4: unknown key zzzzzzzz; it is ignored",
            ])
    }

    @Test(
        arguments: [
            ("10.0.0.1:9876", "10.0.0.1:9876"), ("[::1]:80", "[::1]:80"), ("name:1", "name:1"), ("nope", nil),
            (":9876", nil), ("a:0", nil), ("a:70000", nil), ("a:x", nil),
        ] as [(String, String?)])
    func addressesAreReadOrRefused(_ text: String, _ expected: String?) {
        #expect((try? HostPort(text))?.description == expected)
    }
}
