import NIOCore

extension ByteBuffer {
    /// The readable bytes, copied if they are less than half of the memory that they keep alive.
    ///
    /// A request's body is a slice of its connection's read buffer; a message of 100 bytes that waits for the disk
    /// would otherwise keep 64 KiB or more in memory. A large body fills its buffer and is left where it is.
    func unpinned() -> ByteBuffer {
        readableBytes >= storageCapacity / 2 ? self : ByteBuffer(bytes: readableBytesView)
    }
}
