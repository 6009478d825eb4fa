public import LabHistory
import SystemPackage

/// Reads a run's history back from its file and asks the checkers for the verdict; nothing else is consulted.
public enum Judgement {
    static let chunkBytes = 1 << 20

    /// Judges a run, now or years later.
    ///
    /// - Throws: `TrialError` when the folder is no run, its history can't be opened, or the run is still going on.
    ///   A history with an unreadable line is no error here: its verdict is.
    public static func judge(
        _ folder: RunFolder
    ) throws(TrialError) -> (verdict: Verdict, manifest: RunManifest) {
        let manifest = try folder.manifest()
        if manifest.state == .running, folder.isAtWork {
            throw TrialError(.history, "\(folder.path): this run is still going on (process \(manifest.controllerPID))")
        }
        var judge = HistoryJudge(promises: Promises(lossAllowed: manifest.lossAllowed))
        do {
            try read(folder, into: &judge)
        } catch {
            throw TrialError(.history, "\(folder.historyPath): can't be read (\(error))")
        }
        return (judge.verdict(), manifest)
    }

    private static func read(_ folder: RunFolder, into judge: inout HistoryJudge) throws {
        let file = try FileDescriptor.open(folder.historyPath, .readOnly)
        defer { try? file.close() }
        var lines = HistoryLines()
        var chunk = [UInt8](repeating: 0, count: chunkBytes)
        while true {
            let count = try chunk.withUnsafeMutableBytes { try file.read(into: $0) }
            if count == 0 { break }
            do throws(HistoryError) {
                try lines.feed(chunk[..<count]) { event, line throws(HistoryError) in judge.consume(event, line: line) }
            } catch {
                judge.consume(error)
                return
            }
        }
        judge.consume(lines.finish())
    }
}
