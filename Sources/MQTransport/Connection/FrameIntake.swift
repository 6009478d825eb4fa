import MQWire
import NIOCore

/// A whole frame, and how long it was.
struct IncomingFrame {
    var command: RemotingCommand
    var bytes: Int
}

/// Cuts a byte stream into frames and knows how much of the next one is there.
///
/// Part of ``ConnectionHandler`` and no handler of its own: a frame then goes from the bytes to its request without being
/// wrapped on the way. Belongs to the connection's event loop.
struct FrameIntake {
    private let limitBytes: Int
    /// What was read and is no whole frame yet.
    private var rest = ByteBuffer()
    /// A frame that can't be read ends the stream: nobody knows where the next one would begin.
    private var isBroken = false

    init(limitBytes: Int) { self.limitBytes = limitBytes }

    /// Takes over what was read.
    mutating func append(_ bytes: ByteBuffer) {
        guard !isBroken else { return }
        if rest.readableBytes == 0 {
            rest = bytes
        } else {
            rest.writeImmutableBuffer(bytes)
        }
    }

    /// The next whole frame, `nil` when bytes are missing.
    mutating func next() throws(FrameError) -> IncomingFrame? {
        guard !isBroken else { return nil }
        let before = rest.readableBytes
        do throws(FrameError) {
            guard let command = try FrameCodec.decode(from: &rest, limitBytes: limitBytes) else { return nil }
            return IncomingFrame(command: command, bytes: before - rest.readableBytes)
        } catch {
            isBroken = true
            rest = ByteBuffer()
            throw error
        }
    }

    /// What is there of a frame that is not whole; the memory of the frames before it is let go.
    mutating func settle() -> Int {
        if rest.readableBytes == 0 {
            rest = ByteBuffer()
        } else if rest.readerIndex > 0 {
            rest.discardReadBytes()
        }
        return rest.readableBytes
    }
}

/// The frame that a connection has begun to receive. Belongs to the connection's event loop.
final class FormingFrame {
    /// What of it is there.
    private(set) var bytes = 0
    /// When it began; `nil` while there is none.
    private(set) var since: NIODeadline?
    /// Told of each change; set by the connection.
    var changed: (_ byBytes: Int) -> Void = { _ in }

    func holds(_ count: Int, now: @autoclosure () -> NIODeadline) {
        guard count != bytes else { return }
        let difference = count - bytes
        bytes = count
        since = count == 0 ? nil : since ?? now()
        changed(difference)
    }
}
