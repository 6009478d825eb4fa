import LabText
import SystemPackage

/// An `ssh_config` file (ssh_config(5)), as far as the lab needs it: `Host` blocks, first value wins.
struct SSHConfigFile: Sendable {
    /// What the file says about one host.
    struct Answer: Sendable {
        var hostName: String?
        var user: String?
        var port: Int?
        var identityFiles: [String] = []
        var proxyJump: String?
        var proxyCommand: String?
        var knownHosts: [String]?
        var isStrict: Bool?
    }

    private struct Line: Sendable {
        var patterns: [String]
        var keyword: String
        var arguments: [String]
        var place: Place
    }

    private var lines: [Line] = []
    /// What the file says and the lab does not do, each with its line.
    private(set) var warnings: [String] = []
    private static let understood = [
        "host", "hostname", "user", "port", "identityfile", "proxyjump", "proxycommand", "userknownhostsfile",
        "stricthostkeychecking",
    ]
    /// Harmless here: they tune OpenSSH itself, or what the lab does anyhow.
    private static let ignored = [
        "passwordauthentication", "identitiesonly", "loglevel", "serveraliveinterval", "serveralivecountmax",
        "connecttimeout", "batchmode", "compression", "forwardagent", "pubkeyacceptedkeytypes",
        "pubkeyacceptedalgorithms", "hostkeyalgorithms", "hashknownhosts", "controlmaster", "controlpath",
        "controlpersist", "addkeystoagent", "sendenv", "gssapiauthentication", "addressfamily", "tcpkeepalive",
    ]

    init() {}

    /// Parses a file's text. `Match` blocks and `Include` are passed over with a warning.
    init(text: String, file: String) throws(InventoryError) {
        var patterns: [String]? = ["*"]
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let place = Place(file: file, line: index + 1)
            let content = line.trimmed
            guard !content.isEmpty, !content.hasPrefix("#") else { continue }
            let keyword = content.prefix { !$0.isWhitespace && $0 != "=" }
            var rest = content[keyword.endIndex...].trimmed
            if rest.hasPrefix("=") { rest = rest.dropFirst().trimmed }
            let name = keyword.lowercased()
            // A proxy command is one shell command, quotes and all.
            let arguments = name == "proxycommand" ? [String(rest)] : try ShellWords.split(String(rest), at: place)
            guard let first = arguments.first, !first.isEmpty else {
                throw InventoryError(.syntax, "'\(keyword)' without a value", at: place)
            }
            switch name {
            case "host": patterns = arguments
            case "match":
                patterns = nil
                warnings.append("\(place): Match is not evaluated; its block is passed over")
            case _ where Self.understood.contains(name):
                if name == "port", !(Int(first).map { (1...65535).contains($0) } ?? false) {
                    throw InventoryError(.invalid, "'\(first)' is not a port (expected 1 to 65535)", at: place)
                }
                if let patterns {
                    lines.append(Line(patterns: patterns, keyword: name, arguments: arguments, place: place))
                }
            case _ where Self.ignored.contains(name): break
            default:
                let known = Self.understood + Self.ignored
                warnings.append("\(place): '\(keyword)' is passed over\(Nearest.aside(for: name, among: known))")
            }
        }
    }

    /// What the file says about a host, by the name that was asked for.
    func answer(for host: String) -> Answer {
        var answer = Answer()
        for line in lines where Self.matches(line.patterns, host) {
            let first = line.arguments.first
            switch line.keyword {
            case "hostname": answer.hostName = answer.hostName ?? first.map { Self.expand($0, host) }
            case "user": answer.user = answer.user ?? first
            case "port": answer.port = answer.port ?? first.flatMap { Int($0) }
            case "identityfile": answer.identityFiles += first.map { [$0] } ?? []
            case "proxyjump" where answer.proxyCommand == nil: answer.proxyJump = answer.proxyJump ?? first
            case "proxycommand" where answer.proxyJump == nil: answer.proxyCommand = answer.proxyCommand ?? first
            case "userknownhostsfile": answer.knownHosts = answer.knownHosts ?? line.arguments
            case "stricthostkeychecking": answer.isStrict = answer.isStrict ?? (first?.lowercased() != "no")
            default: break
            }
        }
        return answer
    }

    private static func expand(_ name: String, _ host: String) -> String {
        name.split(separator: "%", omittingEmptySubsequences: false).enumerated().map { index, part in
            index == 0 ? String(part) : part.hasPrefix("h") ? host + part.dropFirst() : "%" + part
        }.joined()
    }

    private static func matches(_ patterns: [String], _ host: String) -> Bool {
        var isFound = false
        for pattern in patterns {
            if pattern.hasPrefix("!") {
                if Wildcard.matches(String(pattern.dropFirst()), host) { return false }
            } else if Wildcard.matches(pattern, host) {
                isFound = true
            }
        }
        return isFound
    }
}
