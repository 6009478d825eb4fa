/// The options in `ansible_ssh_common_args` and `ansible_ssh_extra_args`, as far as the lab understands them.
struct CommonArguments {
    var proxyJump: String?
    var proxyCommand: String?
    var knownHosts: [String]?
    var identityFile: String?
    var port: Int?
    var user: String?
    var isStrict: Bool?
    var warnings: [String] = []

    init() {}

    /// Takes the options from a line such as `-o ProxyJump=gate -o UserKnownHostsFile=hosts/keys`.
    init(_ text: String, variable: String, at place: Place) throws(InventoryError) {
        var words = try ShellWords.split(text, at: place)[...]
        while let word = words.popFirst() {
            guard word.hasPrefix("-"), let letter = word.dropFirst().first else {
                warnings.append("\(place): \(variable): '\(word)' is passed over")
                continue
            }
            guard "oJipl".contains(letter) else {
                warnings.append("\(place): \(variable): '\(word)' is passed over (only -o, -J, -i, -p, -l are known)")
                continue
            }
            let inWord = String(word.dropFirst(2))
            guard let value = inWord.isEmpty ? words.popFirst() : inWord else {
                throw InventoryError(.syntax, "\(variable): '\(word)' without a value", at: place)
            }
            switch letter {
            case "J": proxyJump = value
            case "i": identityFile = value
            case "p": port = Int(value)
            case "l": user = value
            default: option(value, variable: variable, at: place)
            }
        }
    }

    private mutating func option(_ text: String, variable: String, at place: Place) {
        let parts = text.split(maxSplits: 1, omittingEmptySubsequences: false) { $0 == "=" || $0 == " " }
        let value = parts.count > 1 ? String(parts[1].trimmed) : ""
        switch parts[0].lowercased() {
        case "proxyjump": proxyJump = value
        case "proxycommand": proxyCommand = value
        case "userknownhostsfile": knownHosts = value.split(separator: " ").map { String($0) }
        case "identityfile": identityFile = value
        case "port": port = Int(value)
        case "user": user = value
        case "stricthostkeychecking": isStrict = value.lowercased() != "no"
        case "identitiesonly", "batchmode", "loglevel", "connecttimeout", "controlmaster", "controlpersist",
            "controlpath", "serveraliveinterval", "serveralivecountmax", "passwordauthentication":
            break
        default: warnings.append("\(place): \(variable): '-o \(parts[0])' is passed over")
        }
    }
}
