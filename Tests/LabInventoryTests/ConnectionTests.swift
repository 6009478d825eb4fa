import SystemPackage
import Testing

@testable import LabInventory

@Suite struct ConnectionTests {
    private static let config = """
        # vagrant ssh-config
        Host b1
          HostName 127.0.0.1
          User vagrant
          Port 2222
          UserKnownHostsFile /dev/null
          StrictHostKeyChecking no
          PasswordAuthentication no
          IdentityFile "/home/me/my keys/b1"
          IdentitiesOnly yes
        Host b2 b3
          HostName %h.lan
          ProxyJump ops@gate:2200
        Host !b3 b*
          User=everyone
        Host gate
          HostName 203.0.113.1
          UserKnownHostsFile ~/.ssh/gate_hosts
        Host b4
          ProxyCommand ssh -W '%h:%p' gate
        """

    private func load(_ yaml: String, config: String = config) throws -> Inventory {
        try TestFolder(["i.yaml": yaml, "config": config]).load("i.yaml", sshConfig: "config")
    }

    @Test func sshConfigFillsWhatTheInventoryLeavesOpen() throws {
        let inventory = try load("a: { hosts: { b1: , b2: { ansible_user: me2 }, b3: , b4: , x: } }")
        let b1 = try #require(inventory.host("b1")).connection
        #expect(b1.address == "127.0.0.1")
        #expect(b1.port == 2222)
        #expect(b1.user == "vagrant")
        #expect(b1.privateKey == "/home/me/my keys/b1")
        #expect(b1.knownHosts.first == "/home/me/.ssh/known_hosts")
        #expect(inventory.warnings.contains { $0.contains("StrictHostKeyChecking") })
        let b2 = try #require(inventory.host("b2")).connection
        #expect(b2.address == "b2.lan")
        #expect(b2.user == "me2")
        guard case .jump(let gate) = b2.proxy else {
            Issue.record("b2 has no jump host")
            return
        }
        #expect(gate.address == "203.0.113.1")
        #expect(gate.user == "ops")
        #expect(gate.port == 2200)
        #expect(gate.knownHosts == ["/home/me/.ssh/gate_hosts"])
        #expect(inventory.host("b3")?.connection.user == "me")
        #expect(inventory.host("b4")?.connection.proxy == .command("ssh -W '%h:%p' gate"))
        #expect(inventory.host("b4")?.connection.user == "everyone")
        #expect(inventory.host("x")?.connection.proxy == nil)
    }

    @Test func commonArgumentsAreUnderstood() throws {
        let arguments = "-o ProxyJump=one,two:22 -oUserKnownHostsFile=/k -i ~/key -p 2022"
        let inventory = try load("a: { hosts: { h: { ansible_ssh_common_args: '\(arguments)' } } }", config: "")
        let host = try #require(inventory.host("h")).connection
        #expect(host.knownHosts == ["/k"])
        #expect(host.privateKey == "/home/me/key")
        #expect(host.port == 2022)
        guard case .jump(let two) = host.proxy, case .jump(let one) = two.proxy else {
            Issue.record("expected two hops, got \(String(describing: host.proxy))")
            return
        }
        #expect(two.address == "two")
        #expect(one.address == "one")
        #expect(one.proxy == nil)
    }

    @Test func becomeAndLocal() throws {
        let inventory = try load(
            """
            a:
              hosts:
                here: { ansible_connection: local }
                root: { ansible_become: yes }
                other: { ansible_become: "true", ansible_become_user: mq, ansible_become_method: doas }
                plain: { ansible_become: false }
            """)
        #expect(inventory.host("here")?.connection.kind == .local)
        #expect(inventory.host("here")?.connection.address == "127.0.0.1")
        #expect(inventory.host("root")?.connection.become == HostBecome(method: "sudo", user: "root"))
        #expect(inventory.host("other")?.connection.become == HostBecome(method: "doas", user: "mq"))
        #expect(inventory.host("plain")?.connection.become == nil)
    }

    @Test func jumpsInACircleAreRefused() throws {
        let config = "Host a\n ProxyJump b\nHost b\n ProxyJump a\n"
        let error = #expect(throws: InventoryError.self) { try load("g: { hosts: { a: } }", config: config) }
        #expect(error?.code == .cycle)
    }

    @Test(arguments: [
        ("Host\n", "config:1: 'Host' without a value"),
        ("\nHost a\n  Port many\n", "config:3: 'many' is not a port (expected 1 to 65535)"),
    ])
    func errorsInSSHConfigNameThePlace(text: String, line: String) throws {
        let folder = try TestFolder(["i.yaml": "a: { hosts: { h: } }", "config": text])
        let error = #expect(throws: InventoryError.self) { try folder.load("i.yaml", sshConfig: "config") }
        #expect(folder.line(error) == line)
    }

    @Test func matchAndUnknownWordsAreWarnedAbout() throws {
        let file = try SSHConfigFile(text: "HostNam x\nMatch user me\n Port 1\nHost h\n Port 2\n", file: "c")
        #expect(file.answer(for: "h").port == 2)
        #expect(file.warnings.count == 2)
        #expect(file.warnings[0].contains("did you mean 'hostname'?"))
    }
}
