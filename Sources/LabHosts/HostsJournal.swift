import FoundationEssentials
import Glibc
import SystemPackage

/// What the lab means to have, written before each deed, so that the next command can clean up after a `kill -9`.
///
/// It is not synced to disk: it only has to outlive processes, since a reboot of the machine ends every namespace too.
struct HostsJournal: Codable, Sendable, Equatable {
    /// Where one host stands.
    struct Entry: Codable, Sendable, Equatable {
        /// Its number, from 1.
        var index: Int
        /// False from before the first deed for it until its `sshd` answered.
        var isUp: Bool
        /// Whether its power is meant to be off: from before the cut until before the boot.
        var isOff = false
        /// Who brings the power back, and when; nil when nobody does, or it is on.
        var loan: Loan?
        /// Its name.
        var name: String { "n\(index)" }
    }

    /// A cut that ends by itself: a detached process boots the host when it is due, unless another loan took its place.
    struct Loan: Codable, Sendable, Equatable {
        /// Tells this loan from an earlier one of the same host.
        var uid: String
        /// `CLOCK_BOOTTIME`, in nanoseconds: no clock that is set moves it.
        var dueAtBoot: Int64
    }

    /// The subnet in use.
    var subnet: LabSubnet
    /// The filesystem of the disks.
    var filesystem: HostFilesystem
    /// The size of each disk.
    var diskBytes: Int64
    /// Set before the first removal of `down`: whatever is found after that is left over.
    var isGoingDown = false
    /// The hosts, by number.
    var hosts: [Entry]

    /// The journal at a path; nil when there is none or it can't be understood (then names alone guide the clean-up).
    static func load(_ path: FilePath) -> HostsJournal? {
        guard let bytes = HostFiles.read(path) else { return nil }
        return try? JSONDecoder().decode(HostsJournal.self, from: Data(bytes))
    }

    /// Replaces the journal in one step.
    func save(_ path: FilePath) throws(LocalHostsError) {
        let bytes: Data
        do { bytes = try JSONEncoder().encode(self) } catch {
            throw LocalHostsError(.state, "\(path): the journal can't be written as JSON: \(error)")
        }
        try HostFiles.replace(path, Array(bytes), mode: 0o600)
    }
}

extension HostsJournal.Entry {
    /// A journal of a version that knew nothing of power is read, too: its hosts are meant to be on.
    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        index = try container.decode(Int.self, forKey: .index)
        isUp = try container.decode(Bool.self, forKey: .isUp)
        isOff = try container.decodeIfPresent(Bool.self, forKey: .isOff) ?? false
        loan = try container.decodeIfPresent(HostsJournal.Loan.self, forKey: .loan)
    }
}
