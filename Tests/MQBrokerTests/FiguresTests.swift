import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Testing

@testable import MQBroker

@Suite struct FiguresTests {
    @Test func aWindowForgetsWhatIsOlder() {
        var window = RateWindow(now: 0)
        for second in Int64(1)...120 {
            window.add(second <= 60 ? 10 : 1, times: 2)
            window.sample(now: second * 1000)
        }
        // Six steps of ten seconds: from 60 s to 120 s.
        #expect(window.figures(.minute, now: 120_000) == .init(sum: 60, perSecond: 1, average: 0.5))
        #expect(window.figures(.hour, now: 120_000) == .init(sum: 660, perSecond: 5.5, average: 2.75))
        #expect(window.recentPerSecond(.minute, now: 120_000) == 1)
        #expect(window.sum == 660 && window.times == 240)
    }

    @Test func aNewWindowSaysNothing() {
        let window = RateWindow(now: 5)
        #expect(window.figures(.day, now: 5) == .none)
        #expect(window.recentPerSecond(.minute, now: 5) == 0)
    }

    @Test func topicsAndGroupsAreCountedApart() throws {
        var table = StatsTable()
        table.add(.topicPutCount, "T", 3, now: 0)
        table.add(.groupGetCount, StatsTable.key(topic: "T", group: "G"), 20, now: 0)
        table.add(.groupGetCount, StatsTable.key(topic: "T", group: "H"), 5, now: 0)
        #expect(table.consumed(topic: "T", group: "G", now: 10_000) == 2)
        #expect(table.consumed(topic: "T", group: "other", now: 10_000) == 0)
        let json = StatsTable.json(try #require(table[.topicPutCount, "T"]), now: 1000)
        #expect(json["statsMinute"]?["sum"]?.integerValue == 3)
        table.forget(topic: "T")
        #expect(table[.topicPutCount, "T"] == nil && table[.groupGetCount, "T@G"] == nil)
    }

    @Test func aDayBeginsAtMidnight() {
        var days = DayTotals(now: 86_400_000 * 3 + 5)
        days.update(puts: 10, gets: 1, now: 86_400_000 * 3 + 9)
        #expect(days.puts.todayMorning == 0)
        days.update(puts: 20, gets: 2, now: 86_400_000 * 4)
        days.update(puts: 50, gets: 3, now: 86_400_000 * 5 + 1)
        #expect(days.puts == .init(todayMorning: 50, yesterdayMorning: 20))
        #expect(days.gets == .init(todayMorning: 3, yesterdayMorning: 2))
    }

    @Test func theKernelsWordsAreRead() {
        #expect(KernelFigures.parse(memory: "Dirty:   12 kB\nHugePages_Total: 0\nX\n") == ["Dirty": 12 << 10])
        #expect(
            KernelFigures.parse(pressure: "some avg10=2.50 avg60=0.00 avg300=0.00 total=1\nfull avg10=9.00\n") == 0.025)
        #expect(KernelFigures.parse(pressure: "") == nil)
    }

    /// The broker counts what it stores and gives, and says so to tools and to Prometheus.
    @Test func whatIsSentAndConsumedIsCounted() async throws {
        let port = try DaemonPlace.freePort()
        try await TestBroker.run {
            $0.metricsPort = port
            $0.bindAddress = "127.0.0.1"
        } _: { (test: TestBroker) async throws in
            for _ in 0..<3 { _ = try await test.send("T") }
            let pulled = try await test.pull("T", from: 0)
            #expect(try test.bodies(pulled).count == 3)
            func sum(_ name: String, _ key: String) async throws -> Int64? {
                var request = RemotingCommand.request(.viewBrokerStats)
                request.extFields = ["statsName": name, "statsKey": key]
                let answer = try await test.call(request)
                return try answer.body.map { try JSONValue(parsing: $0) }?["statsMinute"]?["sum"]?.integerValue
            }
            #expect(try await sum("TOPIC_PUT_NUMS", "T") == 3)
            #expect(try await sum("GROUP_GET_NUMS", "T@G") == 3)
            #expect(try await sum("BROKER_PUT_NUMS", "DefaultCluster") == 3)
            #expect(try await sum("TOPIC_PUT_NUMS", "other") == nil)

            let text = try await Self.scrape(port)
            for line in [
                "mqbroker_put_messages_total 3\n", "mqbroker_get_messages_total 3\n", "mqbroker_put_seconds_count 3\n",
                "mqbroker_queue_wait_seconds_count{queue=\"send\"} 3\n", "mqbroker_store_writable 1\n",
                "mqbroker_master 1\n",
                "mqbroker_queue_length{queue=\"pull\"} 0\n", "# TYPE mqbroker_flush_seconds histogram\n",
                "mqbroker_page_cache_bytes{state=\"dirty\"}", "mqbroker_flush_behind_bytes",
            ] { #expect(text.contains(line), "\(line)") }
        }
    }

    private static func scrape(_ port: Int) async throws -> String {
        let collector = Collector()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { $0.pipeline.addHandler(collector) }.connect(host: "127.0.0.1", port: port).get()
        try await channel.writeAndFlush(ByteBuffer(string: "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"))
        try await channel.closeFuture.get()
        return try await channel.eventLoop.submit { collector.text }.get()
    }

    private final class Collector: ChannelInboundHandler, @unchecked Sendable {
        // @unchecked: touched on the channel's event loop only.
        typealias InboundIn = ByteBuffer
        var text = ""

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            text += String(buffer: unwrapInboundIn(data))
        }
    }

    @Test func whatTheBrokerDoesIsInItsRuntimeInformation() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            _ = try await test.send("T")
            let answer = try await test.call(.request(.getBrokerRuntimeInfo))
            let table = try #require(try answer.body.map { try JSONValue(parsing: $0) }?["table"])
            #expect(table["msgPutTotalTodayNow"]?.stringValue == "1")
            #expect(table["putTps"]?.stringValue?.split(separator: " ").count == 3)
            #expect(table["sendThreadPoolQueueCapacity"]?.stringValue == "10000")
            #expect(table["commitLogDirCapacity"]?.stringValue?.hasPrefix("Total : ") == true)
            #expect(Int64(table["earliestMessageTimeStamp"]?.stringValue ?? "") ?? 0 > 1_700_000_000_000)
        }
    }
}

@Suite struct PutTimesTests {
    @Test func timesAreCountedBySpanAndShare() {
        var times = PutTimes()
        #expect(times.latency(share: 0.99) == 0)
        for _ in 0..<98 { times.add(nanoseconds: 300_000, now: 1000) }
        times.add(nanoseconds: 30_000_000, now: 1000)
        times.add(nanoseconds: 20_000_000_000, now: 1000)
        #expect(
            times.distribution.hasPrefix("[<=0ms]:98 [0~10ms]:0 [10~50ms]:1 ")
                && times.distribution.hasSuffix("[10s~]:1 "))
        // Known to a fifth, and never said too small.
        let (half, most) = (times.latency(share: 0.5), times.latency(share: 0.99))
        #expect(half >= 0.3 && half < 0.38 && most >= 30 && most < 38)
        #expect(times.latency(share: 1) >= 20_000)
        times.turn(now: 61_000)
        #expect(times.distribution.hasPrefix("[<=0ms]:0 ") && times.latency(share: 0.5) == half)
        times.turn(now: 200_000)
        #expect(times.latency(share: 0.5) == 0)
    }
}
