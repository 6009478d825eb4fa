import Foundation
import FoundationXML
import LabHistory
import LabReport
import Testing

/// The machine formats, read back with parsers that are not ours.
@Suite struct MachineFormatTests {
    private final class Collector: NSObject, XMLParserDelegate {
        var elements: [(name: String, attributes: [String: String])] = []
        var text = ""

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
            attributes: [String: String]
        ) {
            elements.append((name, attributes))
        }

        func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }
    }

    private func parsed(_ xml: String) -> Collector? {
        let parser = XMLParser(data: Data(xml.utf8))
        let collector = Collector()
        parser.delegate = collector
        return parser.parse() ? collector : nil
    }

    private func object(_ json: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    }

    @Test func junitTellsFailureFromErrorFromSkipped() throws {
        let xml = try #require(parsed(JUnitReport.text(Samples.report)))
        let suites = try #require(xml.elements.first)
        #expect(suites.name == "testsuites")
        #expect(
            suites.attributes == [
                "name": "seatrial", "tests": "5", "failures": "1", "errors": "2", "skipped": "1", "time": "7.250",
                "timestamp": "2023-11-14T22:13:20Z",
            ])
        #expect(xml.elements.count { $0.name == "testcase" } == 5)
        #expect(xml.elements.count { $0.name == "failure" } == 1)
        #expect(xml.elements.filter { $0.name == "error" }.map { $0.attributes["type"] } == ["error", "inconclusive"])
        #expect(xml.elements.count { $0.name == "skipped" } == 1)
    }

    @Test func junitIsWellFormedWhateverASubmissionHolds() throws {
        let xml = try #require(parsed(JUnitReport.text(Samples.hostileReport)))
        let wanted = Samples.hostile.replacingOccurrences(of: "\u{1B}", with: "\u{FFFD}")
            .replacingOccurrences(of: "\u{0}", with: "\u{FFFD}")
        let message = xml.elements.first { $0.name == "failure" }?.attributes["message"]
        #expect(message == wanted)
        #expect(xml.elements.count { $0.name == "testcase" } == 5)
        #expect(xml.text.contains("expected: \(wanted)"))
    }

    @Test func jsonHoldsEveryRecordAndKeepsToItsSchema() throws {
        for report in [Samples.report, Samples.hostileReport] {
            let grade = try object(JSONReport.text(report))
            try SchemaCheck(name: "grade").check(grade)
            let checks = try #require(grade["checks"] as? [[String: Any]])
            #expect(checks.map { $0["status"] as? String } == report.records.map(\.status.rawValue))
            #expect(checks.map { $0["rationale"] as? String } == report.records.map(\.rationale))
            #expect(grade["score"] as? Int == report.score)
        }
        let grade = try object(JSONReport.text(Samples.report))
        #expect(grade["duration_seconds"] as? Double == 7.25)
        let verdict = try #require(grade["verdict"] as? [String: Any])
        try SchemaCheck(name: "verdict").check(verdict)
        let outage = try #require((verdict["outages"] as? [[String: Any]])?.first)
        #expect(outage["seconds"] as? Double == 1.059)
    }

    @Test func theSchemaCheckCanFail() throws {
        var grade = try object(JSONReport.text(Samples.report))
        grade["status"] = "splendid"
        #expect(throws: SchemaCheck.Mismatch.self) { try SchemaCheck(name: "grade").check(grade) }
        grade["status"] = nil
        #expect(throws: SchemaCheck.Mismatch.self) { try SchemaCheck(name: "grade").check(grade) }
        grade["status"] = "pass"
        grade["extra"] = 1
        #expect(throws: SchemaCheck.Mismatch.self) { try SchemaCheck(name: "grade").check(grade) }
    }

    @Test func severalReportsAreOneDocument() throws {
        let reports = [Samples.report, Samples.hostileReport]
        let xml = try #require(parsed(JUnitReport.text(reports)))
        #expect(xml.elements.count { $0.name == "testsuite" } == 2)
        #expect(xml.elements.first?.attributes["tests"] == "10")
        let json = try JSONSerialization.jsonObject(with: Data(JSONReport.text(reports).utf8)) as? [[String: Any]]
        #expect(json?.count == 2)
        for grade in try #require(json) { try SchemaCheck(name: "grade").check(grade) }
        let tap = TAPReport.text(reports).split(separator: "\n")
        #expect(tap.prefix(2) == ["TAP version 14", "1..2"])
        #expect(tap.contains("    ok 1 - A check that came to pass"))
        #expect(tap.contains("not ok 1 - 01-first-message submissions/ada"))
        #expect(tap.last?.hasPrefix("not ok 2 - ") == true)
    }

    @Test func gradescopeHasItsFields() throws {
        let results = try object(GradescopeReport.text(Samples.report))
        #expect(results["score"] == nil)
        #expect(results["execution_time"] as? Double == 7.25)
        let tests = try #require(results["tests"] as? [[String: Any]])
        #expect(tests.map { $0["status"] as? String } == ["passed", "failed", "failed", "failed", "failed"])
        #expect(tests.map { $0["number"] as? String } == ["1", "2", "3", "4", "5"])
        #expect((results["output"] as? String)?.contains("4 points are not decided") == true)
    }
}
