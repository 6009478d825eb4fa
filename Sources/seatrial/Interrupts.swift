import Dispatch
import Glibc
import Synchronization

/// Hears SIGINT and SIGTERM on a thread of Dispatch's, and tells the how-manieth it was.
///
/// `@unchecked`: `sources` is set in `init` and never changed; a dispatch source may be cancelled from any thread.
final class Interrupts: @unchecked Sendable {
    private let heard = Mutex(0)
    private var sources: [any DispatchSourceSignal] = []

    var count: Int { heard.withLock { $0 } }

    init(_ tell: @escaping @Sendable (Int) -> Void) {
        sources = [SIGINT, SIGTERM].map { number in
            // Dispatch watches beside the default action, which would end the program.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global(qos: .userInitiated))
            source.setEventHandler { [weak self] in
                guard let self else { return }
                tell(
                    heard.withLock { count in
                        count += 1
                        return count
                    })
            }
            return source
        }
        for source in sources { source.activate() }
    }

    func stop() {
        for source in sources { source.cancel() }
    }
}
