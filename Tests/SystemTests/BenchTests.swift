import SystemPackage
import Testing

/// `mqbench` as scripts meet it: its status, and what it leaves when it is ended.
@Suite struct BenchTests {
    private static func shell(_ text: String) async throws -> Program.Outcome {
        let folder = try Rig.temporaryFolder()
        let outcome = try await Program.run(
            at: "/bin/bash", ["-euc", "bin=\(Program.path("."))\nfolder=\(folder)\n" + text], in: folder)
        _ = try await Program.run(at: "/bin/rm", ["-rf", folder.string])
        return outcome
    }

    /// Ended by a signal, it removes what it made; killed, it takes the process with it that fills its store.
    @Test(.timeLimit(.minutes(2)), arguments: [("TERM", "143"), ("KILL", "137")])
    func anEndedMeasurementLeavesNobodyBehind(_ signal: String, _ status: String) async throws {
        let outcome = try await Self.shell(
            """
            "$bin/mqbench" store recover --gib 4 --directory "$folder/store" &
            bench=$!
            until [ -e "$folder/store/recover/commitlog" ]; do sleep 0.02; kill -0 $bench; done
            child=$(echo $(cat /proc/$bench/task/*/children))
            [ -n "$child" ]
            kill -\(signal) $bench
            wait $bench || echo "status $?"
            for turn in $(seq 1000); do kill -0 $child 2>/dev/null || { echo ended; break; }; sleep 0.02; done
            ls "$folder"
            """)
        let left = signal == "TERM" ? "" : "store\n"
        #expect(outcome.status == 0 && outcome.output == "status \(status)\nended\n\(left)", "\(outcome)")
    }

    /// Some sent and some not is neither success nor nothing: a script can tell.
    @Test(.timeLimit(.minutes(2))) func requestsThatFailAreInTheStatus() async throws {
        let port = Int.random(in: 2600..<2800) * 10
        let outcome = try await Self.shell(
            """
            "$bin/mqnamesrv" -p \(port + 5) > names.log 2>&1 & names=$!
            printf 'brokerName=a\\nbindAddress=127.0.0.1\\nbrokerIP1=127.0.0.1\\nlistenPort=\(port)\\nnamesrvAddr=127.0.0.1:\(port + 5)\\n' > b.properties
            printf 'storePathRootDir=%s/store\\nmappedFileSizeCommitLog=16777216\\n' "$folder" >> b.properties
            "$bin/mqbroker" -c b.properties > broker.log 2>&1 & broker=$!
            trap 'kill $names $broker 2>/dev/null || true; wait' EXIT
            load="$bin/mqbench produce -n 127.0.0.1:\(port + 5) --warmup 0 --concurrency 4 --seconds"
            for turn in $(seq 100); do $load 0.2 > sound.txt 2>&1 && break; sleep 0.1; done
            grep ' 0 failed' sound.txt
            (sleep 1; kill -9 $broker) &
            set +e
            $load 3 > load.txt 2> complaint.txt
            echo "status $?"
            cat load.txt complaint.txt
            """)
        #expect(outcome.status == 0 && outcome.output.contains("status 2\n"), "\(outcome)")
        #expect(outcome.output.contains(/mqbench: [1-9]\d* requests failed beside [1-9]\d* messages/), "\(outcome)")
    }
}
