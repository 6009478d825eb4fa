import LabText
import Testing

@testable import LabInventory

@Suite struct PatternTests {
    private let inventory: Inventory

    init() throws {
        inventory = try Inventory.of(
            """
            nameservers: { hosts: { n1: , n2: } }
            brokers: { children: { rack1: { hosts: { b1: , b2: } }, rack2: { hosts: { b3: , b4: } } } }
            masters: { hosts: { b1: , b3: } }
            ungrouped: { hosts: { spare: } }
            """)
    }

    @Test(arguments: [
        ("all", ["n1", "n2", "b1", "b2", "b3", "b4", "spare"]),
        ("*", ["n1", "n2", "b1", "b2", "b3", "b4", "spare"]),
        ("brokers", ["b1", "b2", "b3", "b4"]),
        ("b2", ["b2"]),
        ("rack1:n1", ["n1", "b1", "b2"]),
        ("rack1,n1", ["n1", "b1", "b2"]),
        ("brokers:&masters", ["b1", "b3"]),
        ("brokers:!rack1", ["b3", "b4"]),
        ("!rack1:brokers", ["b3", "b4"]),
        ("!brokers", ["n1", "n2", "spare"]),
        ("brokers:&masters:!b3", ["b1"]),
        ("rack*", ["b1", "b2", "b3", "b4"]),
        ("b?:!rack2", ["b1", "b2"]),
        ("b[13]", ["b1", "b3"]),
        ("*1", ["n1", "b1", "b2"]),
        ("brokers[0]", ["b1"]),
        ("brokers[-1]", ["b4"]),
        ("brokers[1:2]", ["b2", "b3"]),
        ("ungrouped", ["spare"]),
    ])
    func patternsSelect(pattern: String, names: [String]) throws {
        #expect(try inventory.select(pattern).map(\.name) == names)
    }

    @Test func aLimitCutsDown() throws {
        #expect(try inventory.select("brokers", limit: "masters").map(\.name) == ["b1", "b3"])
        #expect(try inventory.select("rack1", limit: "rack2").isEmpty)
    }

    @Test(arguments: [
        ("brokrs", "pattern 'brokrs': no host or group is called 'brokrs' (did you mean 'brokers'?)"),
        ("brokers:!xyzzy", "pattern 'brokers:!xyzzy': no host or group is called 'xyzzy'"),
        ("zz*", "pattern 'zz*': no host or group is called 'zz*'"),
        ("", "pattern: the pattern is empty (write 'all' for all hosts)"),
        ("a:!", "pattern 'a:!': '!' names nothing"),
        ("~b.*", "~b.*: regular expressions ('~b.*') are not understood (use * and ?)"),
    ])
    func mistakesAreNamed(pattern: String, line: String) {
        let error = #expect(throws: InventoryError.self) { try inventory.select(pattern) }
        #expect(error?.description == line)
    }

    @Test(arguments: [("kitten", "sitting", 3), ("ab", "ba", 1), ("", "abc", 3), ("same", "same", 0)])
    func distances(first: String, second: String, distance: Int) {
        #expect(Nearest.distance(first, second) == distance)
    }

    @Test(arguments: [
        ("*", "", true), ("a*b*c", "aXbYbc", true), ("a*b", "abc", false), ("[!a]x", "bx", true), ("[a-c]", "b", true),
        ("[", "[", true), ("a**", "a", true), ("?", "", false),
    ])
    func wildcards(pattern: String, name: String, matches: Bool) {
        #expect(Wildcard.matches(pattern, name) == matches)
    }
}
