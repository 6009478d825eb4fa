import LabText
import SystemPackage

/// Makes hosts out of variables: a host's own words first, then ssh_config, then the defaults. A pure value.
struct HostBuilder {
    /// The most jump hosts in a row.
    static let jumpLimit = 8
    /// Where the lab works on a host, unless `seatrial_dir` says otherwise.
    static let defaultDirectory = "/var/tmp/seatrial"

    let sshConfig: SSHConfigFile
    let environment: InventoryEnvironment
    private(set) var warnings: [String] = []

    private static let known = [
        "seatrial_address", "seatrial_ha_address", "seatrial_allow", "seatrial_dir",
        "seatrial_power_off", "seatrial_power_on",
    ]

    /// What of Ansible's is read.
    private static let ansible = [
        "ansible_host", "ansible_port", "ansible_user", "ansible_connection", "ansible_become",
        "ansible_become_method", "ansible_become_user", "ansible_ssh_private_key_file", "ansible_private_key_file",
        "ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_host", "ansible_ssh_port",
        "ansible_ssh_user", "ansible_group_priority",
    ]

    init(sshConfig: SSHConfigFile, environment: InventoryEnvironment) {
        self.sshConfig = sshConfig
        self.environment = environment
    }

    /// Builds one host.
    mutating func host(
        _ name: String, groups: [String], variables: [String: PlacedValue], at place: Place
    ) throws(InventoryError) -> InventoryHost {
        for (variable, value) in variables.sorted(by: { $0.key < $1.key }) {
            if variable.hasPrefix("seatrial_"), !Self.known.contains(variable) {
                warn(
                    "\(value.place): host '\(name)': nobody reads '\(variable)'"
                        + Nearest.aside(for: variable, among: Self.known))
            }
            if variable.hasPrefix("ansible_"), !Self.ansible.contains(variable),
                let near = Self.ansible.first(where: { Nearest.distance(variable, $0) == 1 })
            {
                warn("\(value.place): host '\(name)': nobody reads '\(variable)' (did you mean '\(near)'?)")
            }
            if ["ansible_password", "ansible_ssh_pass", "ansible_become_password", "ansible_become_pass"]
                .contains(variable)
            {
                warn("\(value.place): '\(variable)' is not read: passwords come from a prompt only (use keys)")
            }
        }
        let connection = try connection(name, variables, at: place)
        let address = try text("seatrial_address", variables) ?? connection.address
        let directory = try text("seatrial_dir", variables) ?? Self.defaultDirectory
        guard directory.hasPrefix("/"), directory.count > 1, !directory.contains("/../"), !directory.hasSuffix("/..")
        else {
            throw InventoryError(
                .invalid, "seatrial_dir '\(directory)' is not a folder of its own (expected an absolute path)",
                at: variables["seatrial_dir"]?.place ?? place)
        }
        return InventoryHost(
            name: name, groups: groups, variables: variables.mapValues(\.value), connection: connection,
            seatrialAddress: address, seatrialHAAddress: try text("seatrial_ha_address", variables) ?? address,
            allow: try allow(variables), power: try power(variables), directory: directory,
            file: place.file)
    }

    private func allow(_ variables: [String: PlacedValue]) throws(InventoryError) -> Set<String> {
        guard let placed = variables["seatrial_allow"] else { return [] }
        let words = placed.value.texts ?? []
        for word in words where !InventoryHost.allowable.contains(word) {
            throw InventoryError(
                .invalid,
                "seatrial_allow: nothing is called '\(word)'"
                    + "\(Nearest.aside(for: word, among: InventoryHost.allowable)) (expected reboot, clock, disk or power)",
                at: placed.place)
        }
        guard placed.value.texts != nil else {
            throw InventoryError(
                .invalid, "seatrial_allow: expected a list of reboot, clock, disk and power", at: placed.place)
        }
        return Set(words)
    }

    /// Both commands or none: a power that can be cut and not brought back is no loan.
    private func power(_ variables: [String: PlacedValue]) throws(InventoryError) -> HostPower? {
        let (off, on) = (try command("seatrial_power_off", variables), try command("seatrial_power_on", variables))
        guard let off else {
            guard let on else { return nil }
            throw InventoryError(.invalid, "seatrial_power_on: seatrial_power_off is missing beside it", at: on.place)
        }
        guard let on else {
            throw InventoryError(.invalid, "seatrial_power_off: seatrial_power_on is missing beside it", at: off.place)
        }
        guard off.words.contains(where: { $0.contains(HostPower.secondsMark) }) else {
            throw InventoryError(
                .invalid,
                "seatrial_power_off: '\(HostPower.secondsMark)' is missing in it: the command is told there for how long "
                    + "the power may be off, and has to bring it back by itself then", at: off.place)
        }
        return HostPower(off: off.words, on: on.words)
    }

    private func command(
        _ name: String, _ variables: [String: PlacedValue]
    ) throws(InventoryError) -> (words: [String], place: Place)? {
        guard let line = try text(name, variables), let place = variables[name]?.place else { return nil }
        let words = try ShellWords.split(line, at: place)
        guard words.first?.isEmpty == false else {
            throw InventoryError(.invalid, "\(name): expected a command and its words", at: place)
        }
        return (words, place)
    }

    private mutating func connection(
        _ name: String, _ variables: [String: PlacedValue], at place: Place
    ) throws(InventoryError) -> HostConnection {
        let kindText = try text("ansible_connection", variables) ?? "ssh"
        let kind: HostConnection.Kind
        switch kindText {
        case "ssh", "smart", "paramiko", "paramiko_ssh": kind = .ssh
        case "local": kind = .local
        default:
            throw InventoryError(
                .invalid, "ansible_connection '\(kindText)' is not known (expected ssh or local)",
                at: variables["ansible_connection"]?.place ?? place)
        }
        let arguments = try commonArguments(variables)
        let answer = sshConfig.answer(for: name)
        let address = try address(name, kind, variables, answer, at: place)
        let user = try first("ansible_user", "ansible_ssh_user", variables)
        let key = try first("ansible_ssh_private_key_file", "ansible_private_key_file", variables)
        let keyFile = key ?? arguments.identityFile ?? answer.identityFiles.first
        if arguments.isStrict == false || answer.isStrict == false {
            warn(
                "\(place): host '\(name)': StrictHostKeyChecking=no is not obeyed, keys are always checked "
                    + "(record them with 'seatrial trust')")
        }
        return HostConnection(
            kind: kind, address: address, port: try port(variables) ?? arguments.port ?? answer.port ?? 22,
            user: user ?? arguments.user ?? answer.user ?? environment.user,
            privateKey: keyFile.map { environment.expand($0) },
            knownHosts: knownHosts(arguments.knownHosts ?? answer.knownHosts),
            proxy: try proxy(
                jump: arguments.proxyJump, command: arguments.proxyCommand, for: name, answer,
                at: variables["ansible_ssh_common_args"]?.place ?? place),
            become: try become(variables))
    }

    private func address(
        _ name: String, _ kind: HostConnection.Kind, _ variables: [String: PlacedValue],
        _ answer: SSHConfigFile.Answer, at place: Place
    ) throws(InventoryError) -> String {
        if let address = try first("ansible_host", "ansible_ssh_host", variables), !address.isEmpty { return address }
        if let address = answer.hostName { return address }
        if kind == .local { return "127.0.0.1" }
        guard variables["ansible_host"] == nil, environment.resolves(name) else {
            if let near = variables.keys.sorted().first(where: {
                Self.isNearly($0, "ansible_host") && !Self.ansible.contains($0)
            }) {
                throw InventoryError(
                    .noAddress, "host '\(name)' has no address; did you mean 'ansible_host' by '\(near)'?",
                    at: variables[near]?.place ?? place)
            }
            throw InventoryError(
                .noAddress, "host '\(name)' has no address; set ansible_host, or name it so that it resolves",
                at: variables["ansible_host"]?.place ?? place)
        }
        return name
    }

    private static func isNearly(_ word: String, _ wanted: String) -> Bool {
        word != wanted && Nearest.nearest(to: word, among: [wanted]) != nil
    }

    private func port(_ variables: [String: PlacedValue]) throws(InventoryError) -> Int? {
        guard let placed = variables["ansible_port"] ?? variables["ansible_ssh_port"] else { return nil }
        guard let port = placed.value.integer, (1...65535).contains(port) else {
            throw InventoryError(.invalid, "ansible_port: expected a number from 1 to 65535", at: placed.place)
        }
        return port
    }

    private func become(_ variables: [String: PlacedValue]) throws(InventoryError) -> HostBecome? {
        guard let placed = variables["ansible_become"] else { return nil }
        guard let isWanted = placed.value.truth else {
            throw InventoryError(.invalid, "ansible_become: expected true or false", at: placed.place)
        }
        guard isWanted else { return nil }
        return HostBecome(
            method: try text("ansible_become_method", variables) ?? "sudo",
            user: try text("ansible_become_user", variables) ?? "root")
    }

    private mutating func commonArguments(
        _ variables: [String: PlacedValue]
    ) throws(InventoryError) -> CommonArguments {
        var merged = CommonArguments()
        for name in ["ansible_ssh_common_args", "ansible_ssh_extra_args"] {
            guard let placed = variables[name], let line = placed.value.text else { continue }
            let given = try CommonArguments(line, variable: name, at: placed.place)
            merged.proxyJump = merged.proxyJump ?? given.proxyJump
            merged.proxyCommand = merged.proxyCommand ?? given.proxyCommand
            merged.knownHosts = merged.knownHosts ?? given.knownHosts
            merged.identityFile = merged.identityFile ?? given.identityFile
            merged.port = merged.port ?? given.port
            merged.user = merged.user ?? given.user
            merged.isStrict = merged.isStrict ?? given.isStrict
            for warning in given.warnings { warn(warning) }
        }
        return merged
    }

    /// `/dev/null`, which vagrant writes to switch the check off, is no record of keys: the default files are.
    private func knownHosts(_ files: [String]?) -> [FilePath] {
        let named = (files ?? []).filter { $0 != "/dev/null" && $0 != "none" }.map { environment.expand($0) }
        return named.isEmpty ? environment.knownHosts : named
    }

    private func proxy(
        jump: String?, command: String?, for name: String, _ answer: SSHConfigFile.Answer, at place: Place
    ) throws(InventoryError) -> HostProxy? {
        if let jump, jump != "none" { return try jumpChain(jump, limit: Self.jumpLimit, at: place) }
        if let command, command != "none" { return .command(command) }
        if jump != nil || command != nil { return nil }
        return try proxy(of: answer, limit: Self.jumpLimit, at: place)
    }

    private func proxy(
        of answer: SSHConfigFile.Answer, limit: Int, at place: Place
    ) throws(InventoryError) -> HostProxy? {
        if let jump = answer.proxyJump, jump != "none" { return try jumpChain(jump, limit: limit, at: place) }
        if let command = answer.proxyCommand, command != "none" { return .command(command) }
        return nil
    }

    /// `user@gate:22,second`: the last one is nearest to the host, each is reached through the one before it.
    private func jumpChain(_ text: String, limit: Int, at place: Place) throws(InventoryError) -> HostProxy? {
        guard limit > 0 else {
            throw InventoryError(
                .cycle, "ProxyJump '\(text)' leads through more than \(Self.jumpLimit) hosts", at: place)
        }
        var through: HostProxy?
        for hop in text.split(separator: ",") {
            var target = hop.trimmed
            var user: String?
            var port: Int?
            if target.hasPrefix("ssh://") { target = target.dropFirst(6) }
            if let at = target.lastIndex(of: "@") {
                user = String(target[..<at])
                target = target[target.index(after: at)...]
            }
            if let colon = target.lastIndex(of: ":"), target.filter({ $0 == ":" }).count == 1 {
                port = Int(target[target.index(after: colon)...])
                target = target[..<colon]
            }
            let name = String(target)
            guard !name.isEmpty else {
                throw InventoryError(.invalid, "ProxyJump '\(text)': expected user@host:port", at: place)
            }
            let answer = sshConfig.answer(for: name)
            var own = through
            if own == nil { own = try proxy(of: answer, limit: limit - 1, at: place) }
            through = .jump(
                HostConnection(
                    kind: .ssh, address: answer.hostName ?? name, port: port ?? answer.port ?? 22,
                    user: user ?? answer.user ?? environment.user,
                    privateKey: answer.identityFiles.first.map { environment.expand($0) },
                    knownHosts: knownHosts(answer.knownHosts), proxy: own, become: nil))
        }
        return through
    }

    private func first(
        _ name: String, _ older: String, _ variables: [String: PlacedValue]
    ) throws(InventoryError) -> String? {
        if let value = try text(name, variables) { return value }
        return try text(older, variables)
    }

    /// A scalar's text; nil if the variable is not set or null.
    private func text(_ name: String, _ variables: [String: PlacedValue]) throws(InventoryError) -> String? {
        guard let placed = variables[name], placed.value != .null else { return nil }
        guard let text = placed.value.text else {
            throw InventoryError(.invalid, "\(name): expected a word, not a list or a mapping", at: placed.place)
        }
        return text
    }

    private mutating func warn(_ warning: String) {
        if !warnings.contains(warning) { warnings.append(warning) }
    }
}
