import SystemPackage
import Testing

@testable import LabInventory

@Suite struct FileTests {
    private static let yaml = """
        all:
          vars: { ansible_user: ops, colour: all }
          children:
            nameservers:
              hosts:
                n[1:2]:
            brokers:
              vars: { colour: brokers }
              hosts:
                b1: { ansible_host: 198.18.0.11, ansible_port: 2201 }
                b2: { ansible_host: 198.18.0.12, colour: mine }
            rack1:
              hosts: { b1: , n1: }
        lone:
          hosts:
            c1:
              seatrial_address: 198.18.1.1
              seatrial_allow: [reboot, disk]
              seatrial_dir: /srv/lab
        """

    private static let ini = """
        ; the same in INI
        [all:vars]
        ansible_user=ops
        colour=all
        [nameservers]
        n[1:2]
        [brokers]
        b1 ansible_host=198.18.0.11 ansible_port=2201   # a comment
        b2 ansible_host=198.18.0.12 colour=mine
        [brokers:vars]
        colour = brokers
        [rack1]
        b1
        n1
        [lone]
        c1 seatrial_address=198.18.1.1 seatrial_allow="reboot,disk" seatrial_dir=/srv/lab
        """

    @Test(arguments: [("i.yaml", yaml), ("i.ini", ini), ("hosts", ini), ("inventory", yaml)])
    func bothFormsSayTheSame(name: String, text: String) throws {
        let inventory = try Inventory.of(text, name: name)
        #expect(inventory.hosts.map(\.name) == ["n1", "n2", "b1", "b2", "c1"])
        let b1 = try #require(inventory.host("b1"))
        #expect(b1.connection.address == "198.18.0.11")
        #expect(b1.connection.port == 2201)
        #expect(b1.connection.user == "ops")
        #expect(b1.groups == ["brokers", "rack1"])
        #expect(b1.variables["colour"] == .string("brokers"))
        #expect(b1.seatrialAddress == "198.18.0.11")
        #expect(b1.seatrialHAAddress == "198.18.0.11")
        #expect(b1.directory == "/var/tmp/seatrial")
        #expect(b1.allow == [])
        #expect(b1.connection.knownHosts == ["/home/me/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"])
        #expect(inventory.host("b2")?.variables["colour"] == .string("mine"))
        #expect(inventory.host("n2")?.variables["colour"] == .string("all"))
        let c1 = try #require(inventory.host("c1"))
        #expect(c1.seatrialAddress == "198.18.1.1")
        #expect(c1.allow == ["reboot", "disk"])
        #expect(c1.directory == "/srv/lab")
        #expect(inventory.hosts(inGroup: "rack1").map(\.name) == ["n1", "b1"])
        #expect(inventory.warnings == [])
    }

    /// all < parent < child < host; group_vars over the file, host_vars over everything; later inputs over earlier.
    @Test func precedence() throws {
        let folder = try TestFolder([
            "i.yaml": """
            all:
              vars: { a: all, b: all, c: all, d: all, e: all, f: all }
            parent:
              vars: { b: parent, c: parent, d: parent }
              children:
                child:
                  vars: { c: child, d: child }
                  hosts: { h: { d: host, e: host } }
            """,
            "group_vars/all.yaml": "f: group_vars\na: group_vars\n",
            "group_vars/child/one.yml": "g: from a folder\n",
            "host_vars/h.yaml": "e: host_vars\n",
            "second.ini": "[parent:vars]\nb=second\n",
        ])
        let variables = try #require(try folder.load("i.yaml", "second.ini").host("h")).variables
        let expected = [
            "a": "group_vars", "b": "second", "c": "child", "d": "host", "e": "host_vars", "f": "group_vars",
            "g": "from a folder",
        ]
        #expect(variables == expected.mapValues { .string($0) })
    }

    @Test func deeperWinsAndPriorityBreaksTies() throws {
        let inventory = try Inventory.of(
            """
            zeta: { vars: { x: zeta, y: zeta, ansible_group_priority: 1 }, hosts: { h: } }
            alpha: { vars: { x: alpha, y: alpha, ansible_group_priority: 5 }, hosts: { h: } }
            top: { children: { deep: { vars: { y: deep }, hosts: { h: } } } }
            """)
        let variables = try #require(inventory.host("h")).variables
        #expect(variables["x"] == .string("alpha"))
        #expect(variables["y"] == .string("deep"))
    }

    @Test func aFolderIsAllItsFiles() throws {
        let folder = try TestFolder([
            "inv/1.yaml": "a: { hosts: { h1: } }", "inv/2.ini": "[b]\nh2\n", "inv/notes.md": "no inventory",
            "inv/group_vars/b.yaml": "x: 1",
        ])
        let inventory = try folder.load("inv")
        #expect(inventory.hosts.map(\.name) == ["h1", "h2"])
        #expect(inventory.host("h2")?.variables["x"] == .int(1))
    }

    @Test(arguments: [
        ("True", InventoryValue.bool(true)), ("22", .int(22)), ("0644", .string("0644")), ("'22'", .string("22")),
        ("a b", .string("a b")), ("['a', 2]", .list([.string("a"), .int(2)])), ("None", .null),
    ])
    func valuesOfINI(text: String, value: InventoryValue) {
        #expect(INIInventory.value(text) == value)
    }

    /// Each says file and line, what is wrong, and what was expected.
    @Test(arguments: [
        ("i.yaml", "all:\n  hosts:\n\tb1:\n", "i.yaml:3: a tab stands where YAML wants spaces; indent with spaces"),
        (
            "i.yaml", "all:\n  hosts: [b1]\n",
            "i.yaml:2: group 'all': expected names with a colon below hosts:, not a list or a word"
        ),
        (
            "i.yaml", "all:\n  host:\n    b1:\n",
            "i.yaml:2: group 'all': unknown key 'host' (did you mean 'hosts'?) (expected hosts:, vars: or children:; hosts belong below hosts:)"
        ),
        (
            "i.yaml", "plugin: aws_ec2\n",
            "i.yaml:1: dynamic inventory plugin 'aws_ec2' is not run (save the output of 'ansible-inventory --list --yaml' instead)"
        ),
        (
            "i.yaml", "all:\n  vars:\n    x: '{{ y }}'\n",
            "i.yaml:3: Jinja is not evaluated: '{{ y }}' (write the value itself)"
        ),
        (
            "i.yaml", "all:\n  vars:\n    x: !vault |\n      $ANSIBLE_VAULT;1.1\n",
            "i.yaml:3: Ansible Vault is not read (keep secrets in ssh-agent, or decrypt the file)"
        ),
        (
            "i.yaml", "$ANSIBLE_VAULT;1.1;AES256\n",
            "i.yaml:1: Ansible Vault is not read (keep secrets in ssh-agent, or decrypt the file)"
        ),
        (
            "hosts", "#!/bin/sh\n",
            "hosts:1: dynamic inventory scripts are not run (save the output of 'ansible-inventory --list')"
        ),
        (
            "i.yaml", "a:\n  children:\n    b:\nb:\n  children:\n    a:\n",
            "i.yaml:1: groups contain each other: a → b → a (take one of the children out)"
        ),
        (
            "i.yaml", "a:\n  hosts:\n    h: { ansible_port: ssh }\n",
            "i.yaml:3: ansible_port: expected a number from 1 to 65535"
        ),
        (
            "i.yaml", "a:\n  hosts:\n    h: { seatrial_allow: [rebot] }\n",
            "i.yaml:3: seatrial_allow: nothing is called 'rebot' (did you mean 'reboot'?) (expected reboot, clock, disk or power)"
        ),
        (
            "i.yaml", "a:\n  hosts:\n    h: { seatrial_dir: lab }\n",
            "i.yaml:3: seatrial_dir 'lab' is not a folder of its own (expected an absolute path)"
        ),
        (
            "i.yaml", "a:\n  hosts:\n    h: { seatrial_power_off: 'off {seconds}' }\n",
            "i.yaml:3: seatrial_power_off: seatrial_power_on is missing beside it"
        ),
        (
            "i.yaml", "a:\n  hosts:\n    h: { seatrial_power_on: 'on' }\n",
            "i.yaml:3: seatrial_power_on: seatrial_power_off is missing beside it"
        ),
        (
            "i.yaml", "a:\n  hosts:\n    h: { seatrial_power_off: 'off h', seatrial_power_on: 'on h' }\n",
            "i.yaml:3: seatrial_power_off: '{seconds}' is missing in it: the command is told there for how long the power may be off, and has to bring it back by itself then"
        ),
        (
            "i.yaml", "a:\n  hosts:\n    h: { seatrial_power_off: '', seatrial_power_on: 'on h' }\n",
            "i.yaml:3: seatrial_power_off: expected a command and its words"
        ),
        (
            "i.yaml", "a:\n  hosts:\n    h: { ansible_connection: winrm }\n",
            "i.yaml:3: ansible_connection 'winrm' is not known (expected ssh or local)"
        ),
        (
            "i.ini", "[a:kids]\n",
            "i.ini:1: section [a:kids]: unknown kind 'kids' (expected [a], [a:vars] or [a:children])"
        ),
        ("i.ini", "\n[a]\nh nonsense\n", "i.ini:3: host 'h': 'nonsense' is not a variable (expected key=value)"),
        ("i.ini", "[a:vars]\nx\n", "i.ini:2: 'x' is not a variable (expected key=value)"),
        ("i.ini", "[a]\nh x='open\n", "i.ini:2: a ' that is never closed"),
    ])
    func errorsNameThePlace(name: String, text: String, line: String) throws {
        let folder = try TestFolder([name: text])
        let error = #expect(throws: InventoryError.self) { try folder.load(name) }
        #expect(folder.line(error) == line)
    }

    @Test func powerIsSwitchedByCommands() throws {
        let inventory = try Inventory.of(
            "a: { hosts: { h: { seatrial_allow: [power], seatrial_power_off: \"plug '3 a' --for={seconds}\", "
                + "seatrial_power_on: plug on 3 }, i: } }")
        let host = try #require(inventory.host("h"))
        #expect(host.allow == ["power"] && inventory.warnings.isEmpty)
        #expect(host.power?.off(seconds: 2.5) == ["plug", "3 a", "--for=2.5"])
        #expect(host.power?.on == ["plug", "on", "3"])
        #expect(inventory.host("i")?.power == nil)
    }

    @Test func aMistypedAddressIsRecognized() throws {
        let folder = try TestFolder(["vms.yaml": "all:\n  hosts:\n    b1: { ansible_hots: 198.18.0.1 }\n"])
        let error = #expect(throws: InventoryError.self) { try folder.load("vms.yaml", resolves: { _ in false }) }
        #expect(
            folder.line(error)
                == "vms.yaml:3: host 'b1' has no address; did you mean 'ansible_host' by 'ansible_hots'?")
    }

    @Test func anInventoryWithoutHostsIsRefused() throws {
        let folder = try TestFolder(["empty.yaml": "all:\n  hosts:\n"])
        let error = #expect(throws: InventoryError.self) { try folder.load("empty.yaml") }
        #expect(folder.line(error).hasPrefix("empty.yaml: no hosts in it; add some"))
    }

    @Test func aHostWithoutAddressIsNamed() throws {
        let folder = try TestFolder(["vms.yaml": "all:\n  hosts:\n    b1: { ansible_host: 198.18.0.1 }\n    b2:\n"])
        let error = #expect(throws: InventoryError.self) { try folder.load("vms.yaml", resolves: { _ in false }) }
        #expect(
            folder.line(error)
                == "vms.yaml:4: host 'b2' has no address; set ansible_host, or name it so that it resolves")
        #expect(try folder.load("vms.yaml").host("b2")?.connection.address == "b2")
    }

    @Test func aMissingFileAndADoubledKeyAreNamed() throws {
        let folder = try TestFolder(["i.yaml": "a:\n  hosts:\n    h:\n    h:\n"])
        let missing = #expect(throws: InventoryError.self) { try folder.load("absent.yaml") }
        #expect(missing?.code == .unreadable)
        let doubled = #expect(throws: InventoryError.self) { try folder.load("i.yaml") }
        #expect(doubled?.code == .syntax)
        #expect(doubled?.message.contains("'h' is given twice") == true)
    }

    @Test func whatNobodyReadsIsWarnedAbout() throws {
        let inventory = try Inventory.of(
            "a: { hosts: { h: { seatrial_adress: x, ansible_password: y, ansible_ssh_common_args: '-o Foo=1 -X' } } }")
        #expect(inventory.warnings.count == 4)
        #expect(inventory.warnings.contains { $0.contains("did you mean 'seatrial_address'?") })
        #expect(!inventory.warnings.contains { $0.contains("'y'") })
    }
}
