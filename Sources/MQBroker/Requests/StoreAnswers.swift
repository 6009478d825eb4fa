import MQReplication
import MQStore
import MQTransport
import MQWire

/// How the store's outcomes are said on the wire.
enum StoreAnswers {
    /// The code for a message that was not stored.
    static func code(for error: StoreError) -> ResponseCode {
        switch error.code {
        case .overloaded: .systemBusy
        case .illegalMessage: .messageIllegal
        // The one code that says nothing about what became of the message.
        case .uncertain: .systemError
        case .inputOutput, .unreadable, .diskFull, .layout, .broken, .noStore, .closed, .unsafe, .locked:
            .serviceNotAvailable
        }
    }

    /// The code for a message that was stored, and whether what the broker's configuration promises was kept.
    ///
    /// - Parameter isConfirmed: whether the disk has it, where it was waited for.
    static func code(isConfirmed: Bool, copy: ReplicationMaster.Outcome) -> ResponseCode {
        guard isConfirmed else { return .flushDiskTimeout }
        switch copy {
        case .copied: return .success
        case .timedOut: return .flushSlaveTimeout
        case .unavailable: return .slaveNotAvailable
        }
    }

    /// Answers a request that stored something and tells nothing of it but that.
    static func answer(_ reply: RemotingReply, _ result: Result<ResponseCode, StoreError>) {
        switch result {
        case .success(let code): reply.send(code, remark: remark(for: code))
        case .failure(let error): reply.send(code(for: error), remark: "\(error)")
        }
    }

    /// What a stored but not fully kept message's answer says.
    static func remark(for code: ResponseCode) -> String? {
        switch code {
        case .flushDiskTimeout: "stored, but the disk did not confirm it in time"
        case .slaveNotAvailable: "stored, but no slave is connected that is anywhere near"
        case .flushSlaveTimeout: "stored, but no slave confirmed it in time"
        default: nil
        }
    }
}
