public import LabHistory

/// Facts of a run by name, for checks of a lab that ask for one.
public enum RunFacts {
    /// - Returns: `mode`, `seed`, every count of the verdict by its name, and `outage_milliseconds` of the longest outage
    ///   when it ended.
    public static func of(_ verdict: Verdict, _ manifest: RunManifest) -> [String: String] {
        var facts = ["mode": manifest.mode, "seed": "\(manifest.seed)"]
        for (name, count) in verdict.counts.named { facts[name] = "\(count)" }
        let outages = verdict.outages.map(\.nanoseconds)
        if let longest = outages.compactMap({ $0 }).max(), !outages.contains(nil) {
            facts["outage_milliseconds"] = "\(longest / 1_000_000)"
        }
        return facts
    }
}
