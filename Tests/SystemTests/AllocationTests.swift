import Foundation
import SystemPackage
import Testing

/// What an append and a read ask of the allocator, in the optimised build, held in thresholds that are checked in.
@Suite struct AllocationTests {
    private struct Figure: Decodable {
        var run: String
        var median: Double
    }

    @Test(.timeLimit(.minutes(2))) func anAppendAndAReadStayBelowTheirThresholds() async throws {
        let fixture = Program.checkout.appending("Tests/SystemTests/Fixtures/allocations.json")
        let limits = try JSONDecoder().decode(
            [String: Double].self, from: Data(contentsOf: URL(fileURLWithPath: fixture.string)))
        let folder = try Rig.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder.string) }
        let outcome = try await Program.run(
            "mqbench", ["store", "allocations", "--json", "--directory", folder.appending("store").string])
        try #require(outcome.status == 0, "\(outcome)")
        let figures = try outcome.output.split(separator: "\n").map {
            try JSONDecoder().decode(Figure.self, from: Data($0.utf8))
        }
        #expect(Set(figures.map(\.run)) == Set(limits.keys))
        for figure in figures {
            let limit = try #require(limits[figure.run])
            // A counter that counts nothing would pass any threshold.
            #expect(figure.median > 1, "\(figure.run): \(figure.median)")
            #expect(figure.median <= limit, "\(figure.run): \(figure.median), at most \(limit) (\(fixture))")
        }
    }
}
