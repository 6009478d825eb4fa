import Testing

@testable import LabInventory

@Suite struct TextTests {
    private let inventory: Inventory

    init() throws {
        inventory = try Inventory.of(
            """
            brokers:
              children:
                rack1: { hosts: { b1: { ansible_host: 198.18.0.11, seatrial_allow: [disk] } } }
                rack2: { hosts: { b2: { ansible_host: "fd00::2", n: 1.5, l: [a, true, null], m: { k: "\\"\\n" } } } }
            clients: { hosts: { c: { ansible_connection: local } } }
            """)
    }

    @Test func table() {
        #expect(
            inventory.listText(inventory.hosts) == """
                HOST  REACHED BY         ADDRESS      GROUPS         ALLOWS
                b1    me@198.18.0.11:22  198.18.0.11  brokers,rack1  disk
                b2    me@[fd00::2]:22    fd00::2      brokers,rack2  -
                c     local              127.0.0.1    clients        -
                """)
    }

    @Test func tree() {
        #expect(
            inventory.graphText() == """
                @all:
                  |--@ungrouped:
                  |--@brokers:
                  |  |--@rack1:
                  |  |  |--b1
                  |  |--@rack2:
                  |  |  |--b2
                  |--@clients:
                  |  |--c
                """)
    }

    @Test func json() throws {
        #expect(
            inventory.listJSON(try inventory.select("rack2")) == #"""
                {
                    "_meta": {
                        "hostvars": {
                            "b2": {
                                "ansible_host": "fd00::2",
                                "l": [
                                    "a",
                                    true,
                                    null
                                ],
                                "m": {
                                    "k": "\"\n"
                                },
                                "n": 1.5
                            }
                        }
                    },
                    "all": {
                        "children": [
                            "brokers"
                        ]
                    },
                    "brokers": {
                        "children": [
                            "rack2"
                        ]
                    },
                    "rack2": {
                        "hosts": [
                            "b2"
                        ]
                    }
                }
                """#)
    }
}
