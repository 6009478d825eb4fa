/// A group of hosts.
public struct InventoryGroup: Sendable, Hashable {
    /// The group's name; `all` and `ungrouped` always exist.
    public var name: String
    /// The hosts that the group lists itself, in the order of the files.
    public var hosts: [String]
    /// The groups directly below it.
    public var children: [String]
    /// The variables that the group sets itself, group_vars included.
    public var variables: [String: InventoryValue]
    /// The longest way down from `all`: what is deeper wins.
    public var depth: Int
}
