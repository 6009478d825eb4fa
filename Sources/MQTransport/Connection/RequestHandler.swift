public import MQWire

/// What a server, or a client that is pushed to, does with requests.
///
/// All are called on the connection's event loop: nothing here may block. Work that takes time is handed to
/// its own thread together with `reply`, which may be used from anywhere.
public protocol RemotingRequestHandler: Sendable {
    /// Carries out one request and answers through `reply`, now or later. The request's body is a slice of the read
    /// buffer: copy what must outlive the handling.
    func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply)
    /// All requests that a read brought were handed over, of any of the loop's connections: what the handler put off
    /// until it knew them all is done now.
    func requestsHandled()
    /// A peer has connected.
    func connectionOpened(_ connection: RemotingConnection)
    /// A connection has ended, from whichever side.
    func connectionClosed(_ connection: RemotingConnection)
}

extension RemotingRequestHandler {
    /// Nothing to do.
    public func requestsHandled() {}
    /// Nothing to do.
    public func connectionOpened(_ connection: RemotingConnection) {}
    /// Nothing to do.
    public func connectionClosed(_ connection: RemotingConnection) {}
}
