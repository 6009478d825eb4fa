import Testing

@testable import LabInventory

@Suite struct RangeTests {
    private let place = Place(file: "i.yaml", line: 3)

    @Test(arguments: [
        ("n1", ["n1"]),
        ("n[1:3]", ["n1", "n2", "n3"]),
        ("n[08:11]", ["n08", "n09", "n10", "n11"]),
        ("n[01:07:3]", ["n01", "n04", "n07"]),
        ("[a:c]x", ["ax", "bx", "cx"]),
        ("r[A:B]-[1:2].lan", ["rA-1.lan", "rA-2.lan", "rB-1.lan", "rB-2.lan"]),
        ("n[:2]", ["n0", "n1", "n2"]),
    ])
    func rangesAreWrittenOut(entry: String, names: [String]) throws {
        #expect(try HostRange.expand(entry, at: place) == names)
    }

    @Test(arguments: ["n[1:3", "n[3:1]", "n[1]", "n[1:9:0]", "n[a:9]", "n[a:Z]", "n[1:2:3:4]", "n[-1:2]", "n[0:99999]"])
    func whatIsNoRangeIsRefused(entry: String) {
        let error = #expect(throws: InventoryError.self) { try HostRange.expand(entry, at: place) }
        #expect(error?.code == .invalid)
        #expect(error?.location == "i.yaml:3")
    }

    @Test func fiftyHosts() throws {
        let names = try HostRange.expand("n[01:50]", at: place)
        #expect(names.count == 50)
        #expect(names.first == "n01")
        #expect(names.last == "n50")
    }
}
