import Foundation
import Testing

/// Holds a document against a JSON Schema of ours, as far as ours go: `type`, `enum`, `required`, `properties`,
/// `additionalProperties: false`, `items`, `minimum`, `$ref` into `$defs` or to the verdict's file.
struct SchemaCheck {
    struct Mismatch: Error { var text: String }

    private let root: [String: Any]

    init(name: String) throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "docs/schemas/\(name).schema.json")
        root = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
    }

    func check(_ document: Any) throws { try check(document, root, at: "$") }

    private func check(_ value: Any, _ schema: [String: Any], at place: String) throws {
        if let reference = schema["$ref"] as? String {
            if reference.hasSuffix("verdict.schema.json") { return try SchemaCheck(name: "verdict").check(value) }
            let name = reference.split(separator: "/").last.map(String.init) ?? ""
            let definition = (root["$defs"] as? [String: [String: Any]])?[name]
            return try check(value, #require(definition), at: place)
        }
        if let anyOf = schema["anyOf"] as? [[String: Any]] {
            for one in anyOf where (try? check(value, one, at: place)) != nil { return }
            throw Mismatch(text: "\(place): none of anyOf")
        }
        let types = schema["type"] as? [String] ?? (schema["type"] as? String).map { [$0] } ?? []
        guard types.contains(where: { Self.isOf($0, value) }) else { throw Mismatch(text: "\(place): not \(types)") }
        if let known = schema["enum"] as? [String], let text = value as? String, !known.contains(text) {
            throw Mismatch(text: "\(place): \(text) is not one of \(known)")
        }
        if let minimum = schema["minimum"] as? Double, let number = value as? Double, number < minimum {
            throw Mismatch(text: "\(place): \(number) < \(minimum)")
        }
        if let object = value as? [String: Any] { try check(object: object, schema, at: place) }
        if let array = value as? [Any], let items = schema["items"] as? [String: Any] {
            for (index, item) in array.enumerated() { try check(item, items, at: "\(place)[\(index)]") }
        }
    }

    private func check(object: [String: Any], _ schema: [String: Any], at place: String) throws {
        let properties = schema["properties"] as? [String: [String: Any]] ?? [:]
        for name in schema["required"] as? [String] ?? [] where object[name] == nil {
            throw Mismatch(text: "\(place): \(name) is missing")
        }
        for (name, value) in object {
            if let property = properties[name] {
                try check(value, property, at: "\(place).\(name)")
            } else if let more = schema["additionalProperties"] as? [String: Any] {
                try check(value, more, at: "\(place).\(name)")
            } else if schema["additionalProperties"] as? Bool == false {
                throw Mismatch(text: "\(place): \(name) is not known")
            }
        }
    }

    private static func isOf(_ type: String, _ value: Any) -> Bool {
        switch type {
        case "object": value is [String: Any]
        case "array": value is [Any]
        case "string": value is String
        case "integer": (value as? NSNumber).map { $0.doubleValue == $0.doubleValue.rounded() } ?? false
        case "number": value is NSNumber
        case "null": value is NSNull
        default: false
        }
    }
}
