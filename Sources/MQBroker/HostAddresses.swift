import Glibc
import NIOCore

/// The addresses of this machine.
enum HostAddresses {
    /// The first IPv4 address that is not the loopback's; what a broker advertises when `brokerIP1` is not set.
    static var first: String? {
        let devices = try? System.enumerateDevices()
        for device in devices ?? [] {
            guard let address = device.address, case .v4 = address, let text = address.ipAddress,
                !text.hasPrefix("127.")
            else { continue }
            return text
        }
        return nil
    }
}
