import Glibc
public import SystemPackage

/// What an inventory needs to know about the machine that reads it; given by hand in tests.
public struct InventoryEnvironment: Sendable {
    /// The user's home, for `~` and the default `known_hosts`.
    public var home: FilePath
    /// The user's name, for hosts that name none.
    public var user: String
    /// Whether a name resolves to an address.
    public var resolves: @Sendable (String) -> Bool

    /// Makes an environment.
    public init(home: FilePath, user: String, resolves: @escaping @Sendable (String) -> Bool) {
        self.home = home
        self.user = user
        self.resolves = resolves
    }

    /// This process's own: `HOME`, `USER` (else `root`), and the system's resolver, which may block.
    public static var system: InventoryEnvironment {
        InventoryEnvironment(
            home: FilePath(variable("HOME") ?? "/root"), user: variable("USER") ?? "root",
            resolves: { name in
                var first: UnsafeMutablePointer<addrinfo>?
                let code = getaddrinfo(name, nil, nil, &first)
                if code == 0 { freeaddrinfo(first) }
                return code == 0
            })
    }

    private static func variable(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        let text = String(cString: value)
        return text.isEmpty ? nil : text
    }

    /// The path with `~` for the home.
    func expand(_ path: String) -> FilePath {
        if path == "~" { return home }
        return path.hasPrefix("~/") ? home.appending(String(path.dropFirst(2))) : FilePath(path)
    }

    /// Where OpenSSH looks for known hosts by default.
    var knownHosts: [FilePath] { [home.appending(".ssh").appending("known_hosts"), "/etc/ssh/ssh_known_hosts"] }
}
