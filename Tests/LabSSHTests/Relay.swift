import Glibc
import Synchronization

@testable import LabSSH

/// A network that can be cut: passes one connection on to a port, until told (or until enough bytes went by) to drop
/// it, or to swallow everything without a word.
final class Relay: Sendable {
    enum Fault: Sendable {
        case none
        /// Both connections are shut.
        case cut
        /// Bytes are taken and never passed on.
        case frozen
    }

    let port: Int
    private let listener: Int32
    private let state = Mutex((fault: Fault.none, sockets: [Int32](), left: Int.max))

    /// - Parameter cutAfterBytes: Bytes towards the server after which it cuts by itself.
    init(to target: Int, cutAfterBytes: Int = .max) throws {
        (listener, port) = try Loopback.listen()
        state.withLock { $0.left = cutAfterBytes }
        Threads.detach { [self] in
            let client = accept(listener, nil, nil)
            guard client >= 0, let server = try? Loopback.connect(port: target) else { return }
            state.withLock { $0.sockets = [client, server] }
            Threads.detach { self.pass(server, client, counts: false) }
            self.pass(client, server, counts: true)
        }
    }

    deinit { close(listener) }

    func set(_ fault: Fault) {
        state.withLock { state in
            state.fault = fault
            if case .cut = fault { state.sockets.forEach { shutdown($0, Int32(SHUT_RDWR)) } }
        }
    }

    private func pass(_ from: Int32, _ to: Int32, counts: Bool) {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = recv(from, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            let fault = state.withLock { state in
                if counts { state.left -= count }
                return state.left <= 0 ? Fault.cut : state.fault
            }
            switch fault {
            case .frozen: continue
            case .cut: set(.cut)
            case .none:
                var sent = 0
                while sent < count {
                    let step = buffer.withUnsafeBytes { bytes in
                        send(to, bytes.baseAddress.map { $0 + sent }, count - sent, Int32(MSG_NOSIGNAL))
                    }
                    guard step > 0 else { break }
                    sent += step
                }
            }
        }
        shutdown(to, Int32(SHUT_RDWR))
    }
}
