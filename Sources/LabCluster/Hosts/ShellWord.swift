/// Words of a shell's command line, whatever stands in them.
public enum ShellWord {
    public static func quote(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }

    public static func line(_ words: [String]) -> String { words.map(quote).joined(separator: " ") }
}
