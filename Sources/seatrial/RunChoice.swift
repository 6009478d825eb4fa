import LabTrials
import SystemPackage

/// Finds the run that a user means.
struct RunChoice {
    private let runsFolder: FilePath

    init(_ place: PlaceOptions) { runsFolder = place.runsFolder }

    /// - Throws: `UsageError` that names what there is.
    func folder(_ wanted: String) throws(UsageError) -> RunFolder {
        let given = RunFolder(path: FilePath(wanted))
        if (try? given.manifest()) != nil { return given }
        let all = RunFolder.all(under: runsFolder)
        if wanted == "last", let last = all.last { return last }
        let matches = all.filter { $0.path.lastComponent?.string.hasPrefix(wanted) == true }
        if matches.count == 1 { return matches[0] }
        if matches.count > 1 {
            throw UsageError("'\(wanted)' fits \(matches.count) runs; 'seatrial runs' lists them")
        }
        throw UsageError(
            all.isEmpty
                ? "no run '\(wanted)': there are none in \(runsFolder); run a lab first"
                : "no run '\(wanted)'; 'seatrial runs' lists all \(all.count), 'last' is the newest")
    }
}
