/// Numbers and dates as text, since nothing here may import Foundation.
enum Decimal {
    /// `1234` as `1.234`.
    static func thousandths(_ number: Int64) -> String {
        let magnitude = number.magnitude
        return (number < 0 ? "-" : "") + "\(magnitude / 1000)." + padded(magnitude % 1000, 3)
    }

    static func padded(_ number: UInt64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }

    /// A moment in UTC as ISO 8601 to the second, `2026-01-31T23:59:59Z`.
    ///
    /// Source of the calendar: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
    static func iso8601(milliseconds: Int64) -> String {
        let seconds = floorDivide(milliseconds, 1000)
        let days = floorDivide(seconds, 86_400)
        let ofDay = UInt64(seconds - days * 86_400)
        let shifted = days + 719_468
        let era = floorDivide(shifted, 146_097)
        let ofEra = shifted - era * 146_097
        let year = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * year + year / 4 - year / 100)
        let month = (5 * ofYear + 2) / 153
        let day = ofYear - (153 * month + 2) / 5 + 1
        let civilMonth = month < 10 ? month + 3 : month - 9
        let civilYear = year + era * 400 + (civilMonth <= 2 ? 1 : 0)
        let date = "\(padded(UInt64(max(0, civilYear)), 4))-\(padded(UInt64(civilMonth), 2))-\(padded(UInt64(day), 2))"
        let time = "\(padded(ofDay / 3600, 2)):\(padded(ofDay / 60 % 60, 2)):\(padded(ofDay % 60, 2))"
        return "\(date)T\(time)Z"
    }

    private static func floorDivide(_ a: Int64, _ b: Int64) -> Int64 {
        a >= 0 ? a / b : -((-a + b - 1) / b)
    }
}
