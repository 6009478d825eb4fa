import CoreMetrics
import NIOCore
import NIOPosix
import Testing

@testable import MQMetrics

@Suite struct PrometheusTests {
    @Test func seriesAreWrittenInFamilies() {
        let registry = MetricsRegistry()
        let puts = Counter(label: "puts_total", factory: registry)
        puts.increment(by: 3)
        Counter(label: "puts_total", factory: registry).increment()
        Gauge(label: "queue", dimensions: [("kind", "pull")], factory: registry).record(7)
        Gauge(label: "queue", dimensions: [("kind", "a\"b\\c\nd")], factory: registry).record(0.5)
        #expect(
            registry.text() == """
                # TYPE puts_total counter
                puts_total 4
                # TYPE queue gauge
                queue{kind="a\\"b\\\\c\\nd"} 0.5
                queue{kind="pull"} 7

                """)
    }

    @Test func aHistogramsCountsAreAddedUp() throws {
        let registry = MetricsRegistry()
        let timer = CoreMetrics.Timer(label: "t_seconds", dimensions: [("q", "x")], factory: registry)
        timer.recordNanoseconds(50_000)
        timer.recordNanoseconds(50_001)
        timer.recordNanoseconds(60_000_000_000)
        let lines = registry.text().split(separator: "\n").map(String.init)
        #expect(lines.first == "# TYPE t_seconds histogram")
        #expect(lines.contains(#"t_seconds_bucket{q="x",le="5e-05"} 1"#))
        #expect(lines.contains(#"t_seconds_bucket{q="x",le="0.0001"} 2"#))
        #expect(lines.contains(#"t_seconds_bucket{q="x",le="10"} 2"#))
        #expect(lines.contains(#"t_seconds_bucket{q="x",le="+Inf"} 3"#))
        #expect(lines.contains(#"t_seconds_count{q="x"} 3"#))
        #expect(lines.contains(#"t_seconds_sum{q="x"} 60.000100001"#))
        #expect(lines.count == 1 + HistogramSeries.limits.count + 1 + 2)
    }

    @Test(arguments: [("a.b-c", "a_b_c"), ("9x", "_9x"), ("a:b_1", "a:b_1"), ("ä", "_")])
    func namesAreMadeFit(_ label: String, _ name: String) { #expect(PrometheusText.metricName(label) == name) }

    @Test func samplersRunBeforeEachReading() {
        let registry = MetricsRegistry()
        let gauge = Gauge(label: "g", factory: registry)
        let counter = Counter(label: "readings", factory: registry)
        registry.addSampler {
            counter.increment()
            gauge.record(42)
        }
        _ = registry.text()
        #expect(registry.text().contains("g 42\n") && registry.text().contains("readings 3\n"))
    }

    /// What a scraper gets over HTTP: the series, and a word for everything else.
    @Test(arguments: [
        ("GET /metrics HTTP/1.1", "200 OK", "puts 1"), ("GET /metrics?x=1 HTTP/1.0", "200 OK", "puts 1"),
        ("POST /metrics HTTP/1.1", "405", "only GET"), ("GET / HTTP/1.1", "404", "only /metrics"),
        ("nonsense", "400", ""),
    ])
    func theServerAnswersScrapersOnly(_ line: String, _ status: String, _ text: String) async throws {
        let registry = MetricsRegistry()
        Counter(label: "puts", factory: registry).increment()
        let group = MultiThreadedEventLoopGroup.singleton
        let server = try await MetricsServer(registry: registry, host: "127.0.0.1", port: 0, group: group)
        let address = try #require(server.address)
        let collector = Collector()
        let channel = try await ClientBootstrap(group: group)
            .channelInitializer { $0.pipeline.addHandler(collector) }.connect(to: address).get()
        try await channel.writeAndFlush(ByteBuffer(string: "\(line)\r\nhost: x\r\n\r\n"))
        try await channel.closeFuture.get()
        let answer = try await channel.eventLoop.submit { collector.text }.get()
        #expect(answer.contains(" \(status)") && answer.contains(text), "\(answer)")
        await server.shutdown()
    }

    /// Keeps what comes; belongs to its channel's event loop.
    private final class Collector: ChannelInboundHandler, @unchecked Sendable {
        // @unchecked: touched on the channel's event loop only.
        typealias InboundIn = ByteBuffer
        var text = ""

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            text += String(buffer: unwrapInboundIn(data))
        }
    }
}
