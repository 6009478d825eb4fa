import Testing

@testable import LabAgent

/// Names and rules of nftables, and the connection that no rule may cut.
@Suite struct NetworkScriptTests {
    static let rules: [(NetworkRule, NetworkFault.Answer, [String])] = [
        (.init(.incoming, peer: "192.0.2.1"), .drop, ["ip saddr 192.0.2.1 counter drop"]),
        (.init(.outgoing, peer: "192.0.2.1"), .drop, ["ip daddr 192.0.2.1 counter drop"]),
        (
            .init(.outgoing, peer: "192.0.2.1"), .reject,
            [
                "ip daddr 192.0.2.1 meta l4proto tcp counter reject with tcp reset",
                "ip daddr 192.0.2.1 counter reject",
            ]
        ),
        (
            .init(.incoming, peer: "192.0.2.1", ports: .local([1, 2])), .drop,
            ["ip saddr 192.0.2.1 tcp dport { 1, 2 } counter drop"]
        ),
        (
            .init(.outgoing, peer: "192.0.2.1", ports: .local([1])), .drop,
            ["ip daddr 192.0.2.1 tcp sport { 1 } counter drop"]
        ),
        (
            .init(.incoming, peer: "192.0.2.1", ports: .remote([9])), .reject,
            ["ip saddr 192.0.2.1 tcp sport { 9 } counter reject with tcp reset"]
        ),
        (
            .init(.outgoing, peer: "192.0.2.1", ports: .remote([9])), .drop,
            ["ip daddr 192.0.2.1 tcp dport { 9 } counter drop"]
        ),
    ]

    @Test(arguments: rules.indices) func aRuleIsOneOfNftables(_ place: Int) {
        let (rule, answer, lines) = Self.rules[place]
        let hook = rule.direction == .incoming ? "input" : "output"
        let expected = """
            add table inet t
            delete table inet t
            table inet t {
              chain \(rule.direction.rawValue) {
                type filter hook \(hook) priority -150; policy accept;
            \(lines.map { "    \($0)" }.joined(separator: "\n"))
              }
            }

            """
        #expect(NetworkScript.text(NetworkFault(answer: answer, rules: [rule]), table: "t") == expected)
    }

    @Test func aTableIsKnownForWhoseItIs() {
        let own = NetworkScript.table(uid: "isolate-1", root: "/srv/seatrial")
        #expect(
            NetworkScript.isOwn(own, root: "/srv/seatrial")
                && !NetworkScript.isOwn(own, root: "/srv/other"))
        #expect(!NetworkScript.isOfAnotherVersion(own))
        let older = own.replacing("_v1_", with: "_v0_")
        #expect(
            NetworkScript.isOwn(older, root: "/srv/seatrial") && NetworkScript.isOfAnotherVersion(older))
        // Before tables had tags, and after whatever they will have.
        #expect(
            NetworkScript.isOfAnotherVersion("seatrial_x")
                && !NetworkScript.isOwn("seatrial_x", root: "/srv/x"))
        for name in ["filter", "seatrial", "my_seatrial_v0_x"] {
            #expect(
                !NetworkScript.isOfAnotherVersion(name) && !NetworkScript.isOwn(name, root: "/"), "\(name)")
        }
    }

    @Test func listingsAreRead() {
        let listing =
            "table inet seatrial_v1_a_b\ntable ip seatrial_v1_x_y\ntable inet filter\ntable inet seatrial_z\n"
        #expect(NetworkScript.tables(inListing: listing) == ["seatrial_v1_a_b", "seatrial_z"])
        let rules =
            "ip saddr 1.2.3.4 counter packets 12 bytes 700 drop\n\tip daddr 1.2.3.4 counter packets 3 bytes 1 drop"
        #expect(
            NetworkScript.packets(inListing: rules) == 15 && NetworkScript.packets(inListing: "") == 0)
        #expect(NetworkScript.rules(in: rules) == 2 && NetworkScript.rules(in: "") == 0)
    }

    @Test func theControllersConnectionIsKnown() throws {
        let path = try #require(SSHPath("198.18.0.1 40000 198.18.0.11 22"))
        #expect(path.isCut(by: .init(.incoming, peer: "198.18.0.1")))
        #expect(path.isCut(by: .init(.outgoing, peer: "198.18.0.1")))
        #expect(path.isCut(by: .init(.incoming, peer: "198.18.0.1", ports: .local([10911, 22]))))
        #expect(path.isCut(by: .init(.outgoing, peer: "198.18.0.1", ports: .remote([40000]))))
        #expect(!path.isCut(by: .init(.incoming, peer: "198.18.0.1", ports: .local([10911]))))
        #expect(!path.isCut(by: .init(.incoming, peer: "198.18.0.12")))
        #expect(SSHPath("::ffff:198.18.0.1 40000 ::ffff:198.18.0.11 22") == path)
        for text in ["", "198.18.0.1", "198.18.0.1 a 198.18.0.11 22", "198.18.0.1 1 198.18.0.11 70000"] {
            #expect(SSHPath(text) == nil, "\(text)")
        }
    }
}
