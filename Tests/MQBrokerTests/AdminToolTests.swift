import Foundation
import Testing

/// `mqadmin` against real daemons: what an operator types, and what comes back.
@Suite(.serialized) struct AdminToolTests {
    private struct Cluster {
        let place: DaemonPlace
        let nameserver: String

        /// Runs a command; gives its status and all that it said.
        func admin(_ words: String...) throws -> (status: Int32, output: String, errors: String) { try admin(words) }

        func admin(_ words: [String]) throws -> (status: Int32, output: String, errors: String) {
            let (process, output, errors) = try place.process("mqadmin", words + ["-n", nameserver])
            let said = try String(decoding: output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            let wrong = try String(decoding: errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            process.waitUntilExit()
            return (process.terminationStatus, said, wrong)
        }

        /// What a command's `--json` holds.
        func json(_ words: String...) throws -> [[String: Any]] {
            let (process, output, _) = try place.process("mqadmin", words + ["-n", nameserver, "--json"])
            let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            return try #require(try JSONSerialization.jsonObject(with: bytes) as? [[String: Any]])
        }
    }

    private func withCluster(_ settings: String = "", _ body: (Cluster) async throws -> Void) async throws {
        let port = try DaemonPlace.freePort()
        let place = try DaemonPlace("brokerClusterName=sea\nnamesrvAddr=127.0.0.1:\(port)\n\(settings)")
        let (nameserver, line, _) = try place.process("mqnamesrv", ["--port", String(port)])
        defer {
            nameserver.terminate()
            nameserver.waitUntilExit()
        }
        #expect(!line.fileHandleForReading.availableData.isEmpty)
        let broker = try place.broker()
        defer {
            broker.terminate()
            broker.waitUntilExit()
        }
        let cluster = Cluster(place: place, nameserver: "127.0.0.1:\(port)")
        // The broker says that it listens before it has registered.
        for _ in 0..<100 where try cluster.json("clusterList").isEmpty {
            try await Task.sleep(for: .milliseconds(50))
        }
        try await body(cluster)
    }

    @Test func anOperatorChangesSettingsAndGroupsAndReads() async throws {
        try await withCluster { cluster in
            let broker = "127.0.0.1:\(cluster.place.port)"
            let changed = try cluster.admin("updateBrokerConfig", "-b", broker, "-k", "maxMessageSize", "-v", "5")
            #expect(changed.status == 0 && changed.output.contains("until it ends"), "\(changed)")
            #expect(try cluster.admin("getBrokerConfig", "-b", broker).output.contains("maxMessageSize=5\n"))
            let tooLong = try cluster.admin("sendMessage", "-t", "letters", "-p", "123456")
            #expect(tooLong.status != 0 && tooLong.errors.contains("MESSAGE_ILLEGAL"), "\(tooLong)")
            for text in ["one", "two"] {
                #expect(try cluster.admin("sendMessage", "-t", "letters", "-p", text).status == 0)
            }
            let fixed = try cluster.admin("updateBrokerConfig", "-c", "sea", "-k", "listenPort", "-v", "1")
            #expect(
                fixed.status != 0 && fixed.errors.contains("listenPort does not change while the broker runs"),
                "\(fixed)")
            let mistyped = try cluster.admin("updateBrokerConfig", "-b", broker, "-k", "maxMesageSize", "-v", "5")
            #expect(mistyped.errors.contains("unknown key maxMesageSize (did you mean maxMessageSize?)"), "\(mistyped)")
            let bad = try cluster.admin("updateBrokerConfig", "-b", broker, "-k", "maxMessageSize", "-v", "big")
            #expect(bad.errors.contains("the request: maxMessageSize: 'big' is not accepted"), "\(bad)")
            let none = try cluster.admin("updateBrokerConfig", "-k", "x", "-v", "1")
            #expect(none.status != 0 && none.errors.contains("either -b host:port or -c cluster"), "\(none)")

            let made = try cluster.admin("updateSubGroup", "-c", "sea", "-g", "billing", "-s", "false", "-r", "3")
            #expect(made.status == 0, "\(made)")
            // Apache's words for it; nobody of the group is there to be told, so that its offsets are set.
            for (time, difference) in [("-1", 0), ("0", 2)] {
                let away = try cluster.admin(
                    "resetOffsetByTime", "-g", "billing", "-t", "letters", "-s", time, "-f", "true")
                #expect(away.status == 0, "\(away)")
                let left = try cluster.json("consumerProgress", "-g", "billing").compactMap { $0["diff"] as? Int }
                #expect(left.reduce(0, +) == difference)
            }
            // A group that may not consume reads nothing.
            let refused = try cluster.admin("consumeMessage", "-t", "letters", "-g", "billing")
            #expect(refused.status != 0 && refused.errors.contains("may not consume"), "\(refused)")

            let read = try cluster.json("consumeMessage", "-t", "letters")
            #expect(Set(read.compactMap { $0["body"] as? String }) == ["one", "two"])
            #expect(try cluster.json("consumeMessage", "-t", "letters", "-c", "1").count == 1)
            #expect(try cluster.json("consumeMessage", "-t", "letters", "-s", "9999999999999").isEmpty)
            let wrong = try cluster.admin("consumeMessage", "-t", "letters", "-i", "0")
            #expect(wrong.status != 0 && wrong.errors.contains("-i needs -b"), "\(wrong)")
        }
    }

    @Test func anOperatorSeesTopicsQueuesAndMessages() async throws {
        try await withCluster { cluster in
            #expect(try cluster.json("clusterList").first?["broker"] as? String == "broker-d")
            let made = try cluster.admin("updateTopic", "-c", "sea", "-t", "orders", "-r", "4", "-w", "3")
            #expect(made.status == 0, "\(made)")
            for _ in 0..<100 where try cluster.admin("topicRoute", "-t", "orders").status != 0 {
                try await Task.sleep(for: .milliseconds(50))
            }
            let listed = try cluster.admin("topicRoute", "-t", "orders", "-l").output
            #expect(listed.contains("{0=127.0.0.1:\(cluster.place.port)}") && listed.contains("Total:"), "\(listed)")
            let broker = "127.0.0.1:\(cluster.place.port)"
            let unit = try cluster.admin("updateTopic", "-b", broker, "-t", "unit", "-u", "true", "-s", "true")
            #expect(unit.status == 0, "\(unit)")
            let saved = try String(
                contentsOf: cluster.place.root.appendingPathComponent("store/config/topics.json"), encoding: .utf8)
            #expect(saved.contains(#""topicSysFlag":3"#), "\(saved)")
            let nobody = try cluster.admin("consumerConnection", "-g", "nobody", "-b", broker)
            #expect(nobody.errors.contains("nobody of group 'nobody' is online"), "\(nobody)")
            let route = try cluster.json("topicRoute", "-t", "orders").first
            #expect(route?["readQueues"] as? Int == 4 && route?["writeQueues"] as? Int == 3)
            #expect(try cluster.admin("topicList").output.contains("\norders\n"))
            let sent = try cluster.admin("sendMessage", "-t", "orders", "-p", "hello", "-k", "order-1", "-c", "created")
            #expect(sent.status == 0, "\(sent)")
            var found: [[String: Any]] = []
            for _ in 0..<100 where found.isEmpty {
                found = try cluster.json("queryMsgByKey", "-t", "orders", "-k", "order-1")
                try await Task.sleep(for: .milliseconds(20))
            }
            let message = try #require(found.first)
            #expect(message["body"] as? String == "hello")
            let offsetID = try #require(message["offsetMsgId"] as? String)
            let uniqueID = try #require(message["msgId"] as? String)
            let queue = "\(try #require(message["queue"] as? Int))"
            for words in [["-i", offsetID], ["-t", "orders", "-i", uniqueID]] {
                let (process, output, _) = try cluster.place.process(
                    "mqadmin", ["queryMsgById"] + words + ["-n", cluster.nameserver])
                let text = try String(decoding: output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
                process.waitUntilExit()
                #expect(text.contains("Message Body:     hello\n") && text.contains("Keys:             order-1\n"))
            }
            let byOffset = try cluster.admin(
                "queryMsgByOffset", "-t", "orders", "-b", "broker-d", "-i", queue, "-o", "0")
            #expect(byOffset.output.contains(offsetID), "\(byOffset)")
            let ends = try cluster.json("topicStatus", "-t", "orders")
            #expect(ends.compactMap { $0["maxOffset"] as? Int }.reduce(0, +) == 1 && ends.count == 4)
            let wiped = try cluster.admin("wipeWritePerm", "-b", "broker-d")
            #expect(wiped.status == 0 && wiped.output.contains("are not written any more"), "\(wiped)")
            #expect(try cluster.json("topicRoute", "-t", "orders").first?["writeQueues"] as? Int == 0)
            let added = try cluster.admin("addWritePerm", "-b", "broker-d")
            #expect(added.status == 0 && added.output.contains("are written again"), "\(added)")
            #expect(try cluster.json("topicRoute", "-t", "orders").first?["writeQueues"] as? Int == 3)
            #expect(try cluster.admin("deleteTopic", "-c", "sea", "-t", "orders").status == 0)
            #expect(try cluster.admin("topicRoute", "-t", "orders").errors.contains("no broker alive has topic orders"))
        }
    }

    /// A message that went bad is not one that never was.
    @Test func aDamagedMessageIsCalledSo() async throws {
        try await withCluster("checkCRCOnRead=true") { cluster in
            #expect(try cluster.admin("updateTopic", "-c", "sea", "-t", "letters", "-r", "1", "-w", "1").status == 0)
            for _ in 0..<100 where try cluster.admin("topicRoute", "-t", "letters").status != 0 {
                try await Task.sleep(for: .milliseconds(50))
            }
            for text in ["one", "two", "three"] {
                #expect(try cluster.admin("sendMessage", "-t", "letters", "-p", text).status == 0)
            }
            let sound = try cluster.json("consumeMessage", "-t", "letters")
            #expect(sound.count == 3, "\(sound)")
            let id = try #require(sound[1]["offsetMsgId"] as? String)
            let offset = try #require(UInt64(id.suffix(16), radix: 16))
            let log = cluster.place.root.appendingPathComponent("store/commitlog/00000000000000000000")
            let file = try FileHandle(forUpdating: log)
            // In its body.
            try file.seek(toOffset: offset + 89)
            try file.write(contentsOf: Data([0xFF]))
            try file.close()

            let words = ["-t", "letters", "-b", "broker-d", "-i", "0"]
            let byOffset = try cluster.admin(["queryMsgByOffset"] + words + ["-o", "1"])
            #expect(byOffset.status != 0 && byOffset.errors.contains("is damaged or lost, and kept"), "\(byOffset)")
            let never = try cluster.admin(["queryMsgByOffset"] + words + ["-o", "3"])
            #expect(never.status != 0 && never.errors.contains("no message"), "\(never)")
            let byID = try cluster.admin("queryMsgById", "-i", id)
            #expect(byID.status != 0 && byID.errors.contains("is damaged, and kept from readers"), "\(byID)")
            let read = try cluster.admin("consumeMessage", "-t", "letters")
            #expect(read.status == 0 && read.output.contains("three") && !read.output.contains("two"), "\(read)")
            #expect(read.errors.contains("at 1: damaged or lost"), "\(read)")
        }
    }

    /// A job that scrubs each night must know damage, a store it may not read and a mistyped word from each other.
    @Test func aStoreThatCannotBeReadHasItsOwnStatus() throws {
        let place = try DaemonPlace()
        let file = place.root.appendingPathComponent("b.properties").path
        for command in ["scrubStore", "scanStore"] {
            for store in [place.root.path + "/nosuch", place.root.path, file] {
                let (process, _, errors) = try place.process("mqadmin", [command, "--store", store])
                let said = try String(decoding: errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
                process.waitUntilExit()
                #expect(process.terminationStatus == 2, "\(command): \(said)")
                #expect(said.hasPrefix("mqadmin: \(store)") && !said.contains("--help"), "\(command): \(said)")
            }
        }
    }

    /// A typo must not look like success, and says what was meant.
    @Test func whatIsNotThereIsNoSuccess() async throws {
        try await withCluster { cluster in
            for words in [
                ["wipeWritePerm", "-b", "nosuch"], ["addWritePerm", "-b", "nosuch"],
                ["deleteTopic", "-c", "sea", "-t", "nosuch"], ["consumerProgress", "-g", "nosuch"],
            ] {
                let outcome = try cluster.admin(words)
                #expect(outcome.status == 1 && outcome.errors.contains("'nosuch'"), "\(words): \(outcome)")
            }
            let mistyped = try cluster.admin("clusterlist")
            let hint = "no command 'clusterlist' (did you mean 'clusterList'?)"
            #expect(mistyped.status == 64 && mistyped.errors.contains(hint), "\(mistyped)")
            let more = try cluster.admin("clusterList", "-m")
            #expect(more.status == 0 && more.output.contains("#InTotalToday"), "\(more)")
            #expect(try cluster.json("clusterList").first?["logBytes"] as? Int != nil)
        }
    }

    /// The flags that RocketMQ's tool has beside the ones most people type.
    @Test func anOperatorChoosesQueuesTimesAndClusters() async throws {
        try await withCluster { cluster in
            let broker = "127.0.0.1:\(cluster.place.port)"
            #expect(try cluster.admin("updateTopic", "-c", "sea", "-t", "t", "-r", "4", "-w", "4").status == 0)
            let name = try #require(try cluster.json("clusterList").first?["broker"] as? String)
            let sent = try cluster.admin("sendMessage", "-t", "t", "-p", "x", "-b", name, "-i", "3", "--json")
            #expect(sent.status == 0 && sent.output.contains("\"queue\":3"), "\(sent)")
            let nowhere = try cluster.admin("sendMessage", "-t", "t", "-p", "x", "-b", name, "-i", "9")
            #expect(nowhere.status == 1 && nowhere.errors.contains("there are: \(name) 0"), "\(nowhere)")
            #expect(
                try cluster.json("consumeMessage", "-t", "t", "-s", "2020-01-01#00:00:00:000", "-e", "now").count == 1)
            #expect(try cluster.json("consumeMessage", "-t", "t", "-e", "2020-01-01#00:00:00:000").isEmpty)
            for wrong in ["2020-13-01#00:00:00:000", "2020-02-30#00:00:00:000", "yesterday", "2020-01-01"] {
                let outcome = try cluster.admin("consumeMessage", "-t", "t", "-s", wrong)
                #expect(
                    outcome.status == 64 && outcome.errors.contains("see 'mqadmin consumeMessage --help'"), "\(outcome)"
                )
            }
            #expect(try cluster.admin("getBrokerConfig", "-c", "sea").output.hasPrefix("# \(broker)\n"))
            #expect(try cluster.admin("brokerStatus", "-c", "sea").output.contains("brokerVersionDesc"))
            // Reading made the group's topic of retries, by which groups are known.
            #expect(try cluster.json("consumerProgress").contains { $0["group"] as? String == "TOOLS_CONSUMER" })
            let listed = try cluster.json("topicList", "-c").first { $0["topic"] as? String == "t" }
            #expect(listed?["cluster"] as? String == "sea")
            // Without the permission to write the route has no queues to write.
            #expect(try cluster.admin("updateTopic", "-b", broker, "-t", "t", "-p", "4").status == 0)
            var writable: Int?
            for _ in 0..<100 {
                writable = try cluster.json("topicRoute", "-t", "t").first?["writeQueues"] as? Int
                if writable == 0 { break }
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(writable == 0)
            #expect(try cluster.admin("updateTopic", "-b", broker, "-t", "t", "-p", "5").status == 64)
        }
    }

    @Test func mistakesAreOneLineWithAWayOut() async throws {
        try await withCluster { cluster in
            for (words, status, text) in [
                (["deleteTopic", "-c", "lake", "-t", "x"], Int32(1), "no cluster 'lake'; there is sea"),
                (["queryMsgById", "-i", "xyz"], 1, "'xyz' is no offset message id"),
                (["consumerConnection", "-g", "G"], 1, "nobody of group 'G' is online"),
                (["topicRoute"], 64, "missing expected argument '--topic <topic>'"),
                (["updateTopic", "-t", "x"], 64, "name a cluster with -c, or one broker with -b"),
            ] {
                let (process, _, errors) = try cluster.place.process("mqadmin", words + ["-n", cluster.nameserver])
                let wrong = try String(decoding: errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
                process.waitUntilExit()
                #expect(process.terminationStatus == status && wrong.contains(text), "\(words): \(wrong)")
                #expect(wrong.split(separator: "\n").count == 1, "\(wrong)")
            }
        }
    }

    @Test func aGroupsBacklogIsTold() async throws {
        try await withCluster { cluster in
            // A group without a place in any queue has no backlog.
            let broker = "127.0.0.1:\(cluster.place.port)"
            #expect(try cluster.admin("updateSubGroup", "-b", broker, "-g", "nobody").status == 0)
            #expect(try cluster.admin("updateTopic", "-b", broker, "-t", "%RETRY%nobody").status == 0)
            let progress = try cluster.admin("consumerProgress", "-g", "nobody", "-s", "true")
            #expect(progress.status == 0 && progress.output.hasSuffix("\nDiff Total: 0\n"), "\(progress)")
            #expect(progress.output.contains("#Client IP"), "\(progress)")
            let status = try cluster.admin("brokerStatus", "-b", "127.0.0.1:\(cluster.place.port)")
            #expect(status.output.contains("brokerVersionDesc") && status.output.contains("V4_9_8"), "\(status)")
            let settings = try cluster.admin("getBrokerConfig", "-b", "127.0.0.1:\(cluster.place.port)")
            #expect(settings.output.contains("brokerClusterName=sea\n"), "\(settings)")
        }
    }
}
