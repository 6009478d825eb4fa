/// A host with everything that the inventory says about it, precedence already applied.
public struct InventoryHost: Sendable, Hashable, Identifiable {
    /// The destructive faults that a host can allow with `seatrial_allow`.
    public static let allowable = ["reboot", "clock", "disk", "power"]

    /// Its name in the inventory.
    public var name: String
    /// The groups it is in, directly or through children, without `all`; parents before children.
    public var groups: [String]
    /// Its variables: all < parent < child < host.
    public var variables: [String: InventoryValue]
    /// How it is reached.
    public var connection: HostConnection
    /// The address that the cluster uses (`seatrial_address`; becomes `brokerIP1`). Default: the SSH address.
    public var seatrialAddress: String
    /// The address for replication (`seatrial_ha_address`; becomes `brokerIP2`). Default: `seatrialAddress`.
    public var seatrialHAAddress: String
    /// The destructive faults that may be done to it (`seatrial_allow`).
    public var allow: Set<String>
    /// How its power is switched from outside (`seatrial_power_off`, `seatrial_power_on`); nil when nobody said.
    public var power: HostPower?
    /// The folder on the host in which the lab works (`seatrial_dir`).
    public var directory: String
    /// The file that names it first.
    public var file: String

    /// The name.
    public var id: String { name }
}
