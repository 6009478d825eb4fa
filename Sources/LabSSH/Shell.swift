/// Text for a POSIX shell on the other side.
public enum Shell {
    /// The text as one word that no shell interprets: in single quotes, each inner one as `'\''`.
    public static func quote(_ text: String) -> String {
        var quoted = "'"
        for character in text.unicodeScalars {
            if character == "'" {
                quoted += "'\\''"
            } else {
                quoted.unicodeScalars.append(character)
            }
        }
        return quoted + "'"
    }

    /// A command line out of words.
    public static func command(_ words: [String]) -> String {
        words.map { quote($0) }.joined(separator: " ")
    }
}
