/// A permitted loss is the end of a log, and nothing before it.
///
/// Model: a broker appends to one log and flushes it from its beginning on. A fault that takes what was not flushed takes
/// a suffix of the log; what is appended later stands where the suffix stood. Where losses are permitted
/// (`LossChecker` then measures them), each lost message is still held to that:
///
/// 1. *A hole*: something that was written in the same life of the broker, or in an earlier one, stands behind it in the
///    log and survived, whatever its sender was told. A flush that covers the later one covers the earlier one, so this
///    is no unflushed tail.
/// 2. *Overdue*: it was acknowledged longer before the next fault than a flush may take, or no fault followed at all.
///    Only where the run says how long that is.
/// 3. *Unplaced*: it was acknowledged without a place in the log, or there are so many that the place was not kept. Then
///    nobody can tell, and the run proves nothing of its losses.
///
/// A *life* of the brokers ends when a fault is seen to be active. Nothing is acknowledged from then on until a heal has
/// begun, so that each acknowledgement falls into one life; that a fault which struck somebody else ends it as well makes
/// the rule milder and never wrong. A record in a log is of a life, or of one before it, when it stands before all places
/// that later lives told of, for those wrote over the rest. One whose sender was told no place may be the first of such a
/// life itself: it is of the life in which it was sent at the earliest.
struct TailChecker: Checker {
    /// What one life of a broker put into its log, as far as it told of places.
    private struct Life: Sendable {
        /// How many faults had become active before.
        var number: Int
        var firstLogOffset: Int64
        /// The record that stands furthest behind of those that are in a log and before all later lives.
        var last: Survivor?
    }

    private struct Survivor: Sendable {
        var logOffset: Int64
        var key: ValueKey
        var line: Int
    }

    /// The lines on which a fault was seen to be active; their number is that of the life that began there.
    private var activeLines: [Int] = []
    /// By broker; rising in number.
    private var logs: [String: [Life]] = [:]

    mutating func consume(_ sighting: Sighting, at moment: Moment, _ known: Known) {
        switch sighting {
        case .fault(let edge): if edge.edge == .active { activeLines.append(moment.line) }
        case .completed(let done, _):
            guard let stored = done.stored, let logOffset = stored.logOffset else { return }
            note(stored.broker, logOffset)
        case .scanned(let record, let key, _):
            guard record.checksumAgrees, let earliest = earliestLife(of: key, known) else { return }
            let survivor = Survivor(logOffset: record.logOffset, key: key, line: moment.line)
            note(survivor, of: known.run.broker(of: record.replica), notBefore: earliest)
        default: break
        }
    }

    /// The life before which a record can't have been written; nil when nobody knows.
    private func earliestLife(of key: ValueKey, _ known: Known) -> Int? {
        // Whose place was told is placed by it.
        guard known.ledger.flags(of: key).isDisjoint(with: [.ok, .weak]) else { return 0 }
        guard known.rules.has(.tailKnowsSenders) else { return 0 }
        return known.ledger.open[key].map { life(at: $0.sentLine) }
    }

    private func life(at line: Int) -> Int { activeLines.prefix { $0 < line }.count }

    private mutating func note(_ broker: String, _ logOffset: Int64) {
        guard logs.count < RunRecord.maximumReplicas || logs[broker] != nil else { return }
        let number = activeLines.count
        var lives = logs[broker] ?? []
        if let last = lives.last, last.number == number {
            lives[lives.count - 1].firstLogOffset = min(last.firstLogOffset, logOffset)
        } else {
            lives.append(Life(number: number, firstLogOffset: logOffset))
        }
        logs[broker] = lives
    }

    private mutating func note(_ survivor: Survivor, of broker: String, notBefore earliest: Int) {
        guard let lives = logs[broker] else { return }
        // As long as no later life wrote over its place, the record may be of that life or an earlier one; it is noted
        // where that is known best. Of a life that told of no place nothing can be lost, nor of a later one.
        let before = lives.lastIndex { $0.firstLogOffset <= survivor.logOffset } ?? 0
        guard let place = lives.indices.first(where: { $0 >= before && lives[$0].number >= earliest }),
            (lives[place].last?.logOffset ?? -1) < survivor.logOffset
        else { return }
        logs[broker]?[place].last = survivor
    }

    func conclude(_ known: Known) -> [Finding] {
        guard known.promises.lossAllowed else { return [] }
        var holes = Tally()
        var overdue = Tally()
        var unplaced = Tally()
        let faults = known.run.openings
        LossChecker().forEachLost(known) { key in
            guard let detail = known.ledger.open[key], let line = detail.completedLine, let at = detail.completedAt,
                let stored = detail.completion?.stored, let logOffset = stored.logOffset
            else { return unplaced.add(Storyteller(known: known).witness(of: key)) }
            let life = life(at: line)
            if let behind = survivor(behind: logOffset, of: stored.broker, upTo: life) {
                holes.add(witness(of: key, at: logOffset, behind, known))
            }
            if let bound = known.promises.tailNanoseconds, at + bound < faults.dropFirst(life).first?.beganAt ?? .max {
                overdue.add(Storyteller(known: known).witness(of: key))
            }
        }
        return findings(holes, overdue, unplaced, known)
    }

    private func survivor(behind logOffset: Int64, of broker: String, upTo life: Int) -> Survivor? {
        (logs[broker] ?? []).prefix { $0.number <= life }.compactMap(\.last)
            .max { $0.logOffset < $1.logOffset }.flatMap { $0.logOffset > logOffset ? $0 : nil }
    }

    private func witness(of key: ValueKey, at logOffset: Int64, _ behind: Survivor, _ known: Known) -> Witness {
        Storyteller(known: known).witness(
            of: key,
            ending: [
                "It stood at byte \(logOffset) of the log. Message \(known.ledger.value(of: behind.key)), written in no "
                    + "later life of the broker, stands behind it at byte \(behind.logOffset) (line \(behind.line))."
            ], lines: [behind.line])
    }

    private func findings(_ holes: Tally, _ overdue: Tally, _ unplaced: Tally, _ known: Known) -> [Finding] {
        var findings: [Finding] = []
        if holes.count > 0, known.rules.has(.tailHasNoHole) {
            findings.append(
                Finding(
                    anomaly: .lostBeforeTail, status: .fail, count: holes.count, rule: .forbidden,
                    summary:
                        "\(holes.count) lost although something that was written behind them in the same log survived",
                    witness: holes.first))
        }
        if overdue.count > 0, known.rules.has(.tailIsBounded), let bound = known.promises.tailNanoseconds {
            findings.append(
                Finding(
                    anomaly: .lostBeforeTail, status: .fail, count: overdue.count, rule: .forbidden,
                    summary:
                        "\(overdue.count) lost although acknowledged more than \(Storyteller.seconds(bound)) before "
                        + "the next fault, when they had to be flushed", witness: overdue.first))
        }
        if unplaced.count > 0, known.rules.has(.tailNeedsPlaces) {
            findings.append(
                Finding(
                    anomaly: .lostBeforeTail, status: .inconclusive, count: unplaced.count, rule: .required,
                    summary:
                        "\(unplaced.count) lost whose place in the log is not known, so that nobody can tell whether "
                        + "they were its unflushed tail; run it again with less load", witness: unplaced.first))
        }
        return findings
    }
}
