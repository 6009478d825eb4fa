/// The same work for many items at once.
public enum Concurrently {
    /// Results in the items' order, after all have ended; a failure stops nobody else.
    public static func map<Item: Sendable, Value: Sendable>(
        _ items: [Item], _ work: @escaping @Sendable (Item) async throws -> Value
    ) async -> [Result<Value, any Error>] {
        await withTaskGroup(of: (Int, Result<Value, any Error>).self) { group in
            for (place, item) in items.enumerated() {
                group.addTask {
                    do {
                        return (place, .success(try await work(item)))
                    } catch {
                        return (place, .failure(error))
                    }
                }
            }
            var results: [(Int, Result<Value, any Error>)] = []
            for await result in group { results.append(result) }
            return results.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    /// As `map`, for work whose first failure, by the items' order, is everybody's.
    public static func forEach<Item: Sendable>(
        _ items: [Item], _ work: @escaping @Sendable (Item) async throws -> Void
    ) async throws {
        for result in await map(items, work) { try result.get() }
    }
}
