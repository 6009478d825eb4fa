extension InventoryHost {
    /// Why its power may not, or can't, be cut; nil when it may and can.
    public var reasonAgainstPowerLoss: String? {
        guard allow.contains("power") else {
            return "host '\(name)' does not allow it: add 'power' to its seatrial_allow in \(file)"
        }
        guard power != nil else {
            return
                "host '\(name)' has no power control: set seatrial_power_off and seatrial_power_on for it in \(file)"
        }
        return nil
    }

    /// Why its disk may not be filled, worn or broken; nil when it may.
    public var reasonAgainstDiskFaults: String? {
        allow.contains("disk")
            ? nil : "host '\(name)' does not allow it: add 'disk' to its seatrial_allow in \(file)"
    }
}
