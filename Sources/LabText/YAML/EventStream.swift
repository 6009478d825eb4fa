import CLibYAML

/// libyaml's parser as a row of events.
///
/// Owns the C parser until `end`; the bytes that it was given must live as long.
struct EventStream {
    /// One event, copied out of C's memory.
    struct Event {
        enum Kind {
            case streamStart, streamEnd, documentStart, documentEnd
            case alias
            case scalar(YAMLScalar)
            case sequenceStart, sequenceEnd, mappingStart, mappingEnd
        }

        var kind: Kind
        /// From 1.
        var line: Int
        var anchor: String?
        var tag: String?
    }

    private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)

    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        // It fails for want of memory alone, and then every `next` does.
        yaml_parser_initialize(parser)
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
    }

    func end() {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    /// The next event.
    /// - Throws: `YAMLMistake` in libyaml's words, with the line.
    func next() throws(YAMLMistake) -> Event {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw mistake }
        defer { yaml_event_delete(&event) }
        let line = Int(event.start_mark.line) + 1
        switch event.type {
        case YAML_STREAM_START_EVENT: return Event(kind: .streamStart, line: line)
        case YAML_DOCUMENT_START_EVENT: return Event(kind: .documentStart, line: line)
        case YAML_DOCUMENT_END_EVENT: return Event(kind: .documentEnd, line: line)
        case YAML_SEQUENCE_END_EVENT: return Event(kind: .sequenceEnd, line: line)
        case YAML_MAPPING_END_EVENT: return Event(kind: .mappingEnd, line: line)
        case YAML_ALIAS_EVENT:
            return Event(kind: .alias, line: line, anchor: Self.text(event.data.alias.anchor))
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let bytes = UnsafeBufferPointer(start: scalar.value, count: Int(scalar.length))
            let value = YAMLScalar(
                text: String(decoding: bytes, as: UTF8.self), isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE)
            return Event(
                kind: .scalar(value), line: line, anchor: Self.text(scalar.anchor), tag: Self.text(scalar.tag))
        case YAML_SEQUENCE_START_EVENT:
            let start = event.data.sequence_start
            return Event(
                kind: .sequenceStart, line: line, anchor: Self.text(start.anchor), tag: Self.text(start.tag))
        case YAML_MAPPING_START_EVENT:
            let start = event.data.mapping_start
            return Event(kind: .mappingStart, line: line, anchor: Self.text(start.anchor), tag: Self.text(start.tag))
        default: return Event(kind: .streamEnd, line: line)
        }
    }

    private var mistake: YAMLMistake {
        let state = parser.pointee
        let problem = state.problem.map { String(cString: $0) } ?? "it is not YAML"
        // Of bytes that are no text libyaml keeps the offset only.
        guard state.error != YAML_READER_ERROR else {
            return YAMLMistake(.syntax, line: nil, "\(problem) (is it a binary file?)")
        }
        let context = state.context.map { " \(String(cString: $0)) from line \(state.context_mark.line + 1)" } ?? ""
        return YAMLMistake(
            .syntax, line: Int(state.problem_mark.line) + 1, "\(problem)\(context); correct the YAML there")
    }

    private static func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        pointer.map { String(decodingCString: UnsafePointer($0), as: UTF8.self) }
    }
}
