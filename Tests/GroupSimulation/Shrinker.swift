/// Makes a schedule that breaks a promise as short as it can be while it still does.
public enum Shrinker {
    /// What a schedule breaks, promised by its policy or not; `nil` when it breaks nothing.
    public static func violation(of schedule: Schedule) -> Violation? {
        let world = GroupWorld(schedule)
        do throws(Violation) {
            try world.run()
            return world.lapse
        } catch {
            return error
        }
    }

    /// The shortest schedule found that breaks the same promise: faults are left out one by one, then shortened, then begun
    /// earlier, until nothing more can be taken away.
    public static func shrink(_ schedule: Schedule, _ promise: Violation.Promise) -> Schedule {
        var best = schedule
        func isStillBroken(_ candidate: Schedule) -> Bool { violation(of: candidate)?.promise == promise }
        var goesOn = true
        while goesOn {
            goesOn = false
            for index in best.faults.indices.reversed() {
                var candidate = best
                candidate.faults.remove(at: index)
                guard isStillBroken(candidate) else { continue }
                best = candidate
                goesOn = true
            }
        }
        for index in best.faults.indices {
            for _ in 0..<6 {
                var candidate = best
                candidate.faults[index].duration = candidate.faults[index].duration * 3 / 4
                guard isStillBroken(candidate) else { break }
                best = candidate
            }
            guard case .split(let side) = best.faults[index].kind else { continue }
            for node in side {
                var candidate = best
                guard case .split(let now) = best.faults[index].kind else { break }
                candidate.faults[index].kind = .split(now.filter { $0 != node })
                if isStillBroken(candidate) { best = candidate }
            }
        }
        return best
    }
}
