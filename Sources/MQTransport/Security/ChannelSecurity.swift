public import NIOCore

/// What secures a listening port's connections, before their first frame.
public protocol ServerSecurity: Sendable {
    /// Adds its handlers to a new connection, on its event loop; nothing else is in the pipeline yet.
    func secure(_ channel: any Channel) throws
}

/// What secures a client's connections.
public protocol ClientSecurity: Sendable {
    /// Adds its handlers to a new connection, on its event loop; nothing else is in the pipeline yet.
    ///
    /// The connection counts as made once `NIOTLS.TLSUserEvent.handshakeCompleted` comes through the pipeline.
    func secure(_ channel: any Channel, host: String) throws

    /// Why a connection did not come about, in words for whoever tried; `nil` stands for an end without an error.
    func reason(for failure: (any Error)?) -> String
}
