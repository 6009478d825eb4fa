/// Ranges in host names: `n[01:50]`, `n[01:50:2]`, `rack-[a:f]`, several in one name.
enum HostRange {
    /// The most names that one entry may stand for.
    static let limit = 10_000

    /// The names that an entry stands for; itself if it has no range.
    ///
    /// The width of the start is kept (`01`), as Ansible does, and the end is included.
    static func expand(_ name: String, at place: Place) throws(InventoryError) -> [String] {
        guard let open = name.firstIndex(of: "[") else { return [name] }
        guard let close = name[open...].firstIndex(of: "]") else {
            throw InventoryError(.invalid, "range in '\(name)' has no ']' (expected as in n[01:50])", at: place)
        }
        let head = name[..<open]
        let middle = try values(name[name.index(after: open)..<close], in: name, at: place)
        let tails = try expand(String(name[name.index(after: close)...]), at: place)
        guard middle.count * tails.count <= limit else {
            throw InventoryError(.invalid, "'\(name)' stands for more than \(limit) hosts", at: place)
        }
        return middle.flatMap { value in tails.map { "\(head)\(value)\($0)" } }
    }

    private static func values(
        _ range: Substring, in name: String, at place: Place
    ) throws(InventoryError) -> [String] {
        let parts = range.split(separator: ":", omittingEmptySubsequences: false)
        let wrong = InventoryError(
            .invalid, "range '[\(range)]' in '\(name)' is not one (expected [01:50], [01:50:2] or [a:f])", at: place)
        guard parts.count == 2 || parts.count == 3 else { throw wrong }
        var step = 1
        if parts.count == 3 {
            guard let given = Int(parts[2]), given > 0 else { throw wrong }
            step = given
        }
        let start = parts[0].isEmpty ? "0" : String(parts[0])
        let end = String(parts[1])
        if let first = Int(start), let last = Int(end), start.allSatisfy(\.isNumber), end.allSatisfy(\.isNumber) {
            guard first <= last else { throw wrong }
            guard (last - first) / step < limit else {
                throw InventoryError(.invalid, "'\(name)' stands for more than \(limit) hosts", at: place)
            }
            let width = start.hasPrefix("0") ? start.count : 0
            return stride(from: first, through: last, by: step).map { number in
                let digits = String(number)
                return String(repeating: "0", count: max(0, width - digits.count)) + digits
            }
        }
        guard let first = letter(start), let last = letter(end), first <= last else { throw wrong }
        let alphabets = [UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z")]
        guard alphabets.contains(where: { $0.contains(first) && $0.contains(last) }) else { throw wrong }
        return stride(from: Int(first), through: Int(last), by: step).map {
            String(UnicodeScalar(UInt8($0)))
        }
    }

    private static func letter(_ text: String) -> UInt8? {
        text.utf8.count == 1 ? text.utf8.first : nil
    }
}
