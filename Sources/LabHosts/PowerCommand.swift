import SystemPackage

/// The command line that switches a host's power, for those who know an inventory and no `LocalHosts`.
struct PowerCommand: Sendable, Equatable {
    /// The `seatrial` program.
    let program: FilePath
    let stateDirectory: FilePath

    func off(_ name: String, seconds: String) -> [String] { words("off", name) + ["--for", seconds] }
    func on(_ name: String) -> [String] { words("on", name) }
    /// What a loan's own process runs.
    func whenDue(_ name: String, loan uid: String) -> [String] { words("when-due", name) + ["--loan", uid] }

    private func words(_ verb: String, _ name: String) -> [String] {
        [program.string, "hosts", "power", verb, name, "--state", stateDirectory.string]
    }

    /// What `SEATRIAL_HOST` says in the process that will boot a host: it is the lab's, and none of the host's own.
    static func timer(_ name: String) -> String { "power of \(name)" }

    /// The words as one line for a shell, or for whoever splits words as a shell does.
    func line(_ words: [String]) -> String {
        words.map { word in
            let isPlain = word.unicodeScalars.allSatisfy {
                $0.isASCII && ($0.properties.isAlphabetic || "0123456789_./=:,-{}".unicodeScalars.contains($0))
            }
            guard !isPlain || word.isEmpty else { return word }
            return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
        }.joined(separator: " ")
    }
}
