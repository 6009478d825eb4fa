/// What a client may call a group: its retry and dead-letter topics are named after it, and are folders of the store.
enum GroupName {
    /// The longest name, so that `%RETRY%` before it fits a topic.
    static let maximumBytes = SystemTopic.maximumNameBytes - SystemTopic.retryPrefix.utf8.count

    /// Why a client may not use the name; `nil` when it may.
    ///
    /// Wider than what RocketMQ's own clients allow themselves, since others' clients do not check.
    static func objection(to name: String) -> String? {
        if name.isEmpty { return "the group is empty" }
        if name.utf8.count > maximumBytes {
            return "the group has \(name.utf8.count) bytes (at most \(maximumBytes))"
        }
        let isAllowed = name.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F && $0 != "/" }
        return isAllowed ? nil : "the group's name holds a slash or a control character"
    }
}
