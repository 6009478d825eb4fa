import Glibc

/// The controller's side of an agent's channel: requests by id, many at once, each answered or failed exactly once.
///
/// When the channel ends, everything pending fails with `disconnected`; what was asked may have happened.
/// One actor owns the table of pending requests, one task of it reads, one sends at a time.
public actor AgentClient {
    private let transport: any AgentTransport
    private let timeout: Duration
    private var nextID: UInt64 = 1
    private var pending: [UInt64: CheckedContinuation<AgentResponse, any Error>] = [:]
    private var outbox: [[UInt8]] = []
    private var isSending = false
    private var reader: Task<Void, Never>?
    private var ended: AgentFailure?

    /// A client over a channel that leads to `seatrial-agent serve`.
    ///
    /// `timeout` bounds each request on top of the time the request itself allows.
    public init(transport: any AgentTransport, timeout: Duration = .seconds(30)) {
        self.transport = transport
        self.timeout = timeout
    }

    /// Sends a request and waits for its answer, within `timeout` plus `allowance`.
    ///
    /// Throws the agent's own failure, or `disconnected`, `timedOut`, `cancelled`.
    public func call(_ request: AgentRequest, allowance: Duration = .zero) async throws(AgentFailure) -> AgentResponse {
        if let ended { throw ended }
        guard pending.count < AgentLimits.pendingRequests else {
            throw AgentFailure(.badRequest, "\(pending.count) requests to the agent are unanswered, which is the limit")
        }
        let id = nextID
        nextID += 1
        let frame = try AgentFrame.encode(AgentRequestEnvelope(id: id, request: request))
        startReading()
        let limit = timeout + allowance
        let timer = Task { [weak self] in
            guard (try? await Task.sleep(for: limit)) != nil else { return }
            await self?.settle(id, .failure(AgentFailure(.timedOut, "the agent did not answer within \(limit)")))
        }
        defer { timer.cancel() }
        let response: AgentResponse
        do {
            response = try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { continuation in
                    guard !Task.isCancelled else {
                        continuation.resume(throwing: AgentClient.cancelledFailure)
                        return
                    }
                    pending[id] = continuation
                    outbox.append(frame)
                    if !isSending {
                        isSending = true
                        Task { await self.drain() }
                    }
                }
            } onCancel: {
                Task { await self.settle(id, .failure(AgentClient.cancelledFailure)) }
            }
        } catch let failure as AgentFailure {
            throw failure
        } catch {
            throw AgentFailure(.disconnected, "\(error)")
        }
        if case .failure(let failure) = response { throw failure }
        return response
    }

    /// Ends the channel; the agent exits, its daemons stay.
    public func close() async {
        end(AgentFailure(.disconnected, "the channel to the agent was closed"))
        await transport.close()
        reader?.cancel()
    }

    private static var cancelledFailure: AgentFailure {
        AgentFailure(.cancelled, "the request to the agent was cancelled")
    }

    private func settle(_ id: UInt64, _ result: Result<AgentResponse, any Error>) {
        pending.removeValue(forKey: id)?.resume(with: result)
    }

    private func end(_ failure: AgentFailure) {
        if ended == nil { ended = failure }
        let waiting = pending
        pending = [:]
        outbox = []
        for continuation in waiting.values { continuation.resume(throwing: failure) }
    }

    /// Sends what is queued, one frame after the other, so that no two interleave.
    private func drain() async {
        while !outbox.isEmpty {
            let frame = outbox.removeFirst()
            do { try await transport.send(frame) } catch {
                end(AgentFailure(.disconnected, "the channel to the agent failed: \(error)"))
            }
        }
        isSending = false
    }

    private func startReading() {
        guard reader == nil else { return }
        let transport = transport
        reader = Task { [weak self] in
            var decoder = AgentFrameDecoder()
            var reason = "the channel to the agent ended"
            reading: while true {
                do {
                    guard let bytes = try await transport.receive() else {
                        if decoder.isMidFrame { reason += " in the middle of a frame" }
                        break reading
                    }
                    decoder.feed(bytes)
                    while let body = try decoder.next() {
                        let envelope = try AgentFrame.decode(AgentResponseEnvelope.self, from: body)
                        await self?.answered(envelope)
                    }
                } catch {
                    reason = "the channel to the agent failed: \(error)"
                    break reading
                }
            }
            await self?.end(AgentFailure(.disconnected, reason))
        }
    }

    private func answered(_ envelope: AgentResponseEnvelope) {
        if envelope.id == 0, case .failure(let failure) = envelope.response {
            end(AgentFailure(failure.code, "the agent gave up the channel: \(failure.message)"))
        } else {
            settle(envelope.id, .success(envelope.response))
        }
    }
}
