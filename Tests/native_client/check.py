#!/usr/bin/env python3
"""Checks of running daemons through RocketMQ's native C++ client (PyPI: rocketmq==0.4.4).

Every check is a process of its own, because the client's threads cannot be trusted to end, and has topics and groups
of its own, so that checks may run against a broker that holds others' messages. A check says what it saw when it
passes, and what it missed when it fails.
"""
import argparse
import os
import subprocess
import sys
import threading
import time
import uuid


def fresh(kind):
    return "%s_%s" % (kind, uuid.uuid4().hex[:12])


class Failure(Exception):
    pass


def require(condition, text, *values):
    if not condition:
        raise Failure(text % values if values else text)


class Bench:
    """Producers and consumers of one check, shut down with it."""

    def __init__(self, nameserver):
        self.nameserver = nameserver
        self.topic = fresh("topic")
        self.group = fresh("group")
        self._producer = None
        self._consumers = []

    @property
    def producer(self):
        from rocketmq.client import Producer
        if self._producer is None:
            self._producer = Producer(fresh("producer"))
            self._producer.set_namesrv_addr(self.nameserver)
            self._producer.start()
        return self._producer

    def message(self, body, tag=None, key=None, delay_level=None):
        from rocketmq.client import Message
        made = Message(self.topic)
        made.set_body(body)
        if tag is not None:
            made.set_tags(tag)
        if key is not None:
            made.set_keys(key)
        if delay_level is not None:
            made.set_delay_time_level(delay_level)
        return made

    def send(self, body, **parts):
        result = self.producer.send_sync(self.message(body, **parts))
        require(int(result.status) == 0, "a send was answered with status %s", result.status)
        return result

    def listen(self, receive, expression="*", ordered=False, broadcast=False, name=None):
        from rocketmq.client import PushConsumer
        from rocketmq.ffi import MessageModel
        model = MessageModel.BROADCASTING if broadcast else MessageModel.CLUSTERING
        consumer = PushConsumer(self.group, orderly=ordered, message_model=model)
        consumer.set_namesrv_addr(self.nameserver)
        consumer.set_instance_name(name or fresh("instance"))
        consumer.set_thread_count(4)
        consumer.subscribe(self.topic, receive, expression)
        consumer.start()
        self._consumers.append(consumer)
        return consumer

    def stop(self, consumer):
        self._consumers.remove(consumer)
        consumer.shutdown()

    def pull_everything(self):
        from rocketmq.client import PullConsumer
        consumer = PullConsumer(fresh("puller"))
        # The class keeps places for all its instances: without its own table the next one goes on where this one stopped.
        consumer.offset_table = {}
        consumer.set_namesrv_addr(self.nameserver)
        consumer.start()
        try:
            return [bytes(m.body) for m in consumer.pull(self.topic)]
        finally:
            consumer.shutdown()

    def close(self):
        for consumer in list(self._consumers):
            self.stop(consumer)
        if self._producer is not None:
            self._producer.shutdown()


class Mailbox:
    """Collects deliveries; `until` waits for a condition on them."""

    def __init__(self):
        self.changed = threading.Condition()
        self.deliveries = []

    def __call__(self, m):
        delivery = {
            "body": bytes(m.body), "tag": m.tags, "key": m.keys, "tries": m.reconsume_times,
            "queue": m.queue_id, "offset": m.queue_offset, "when": time.monotonic(),
        }
        with self.changed:
            self.deliveries.append(delivery)
            self.changed.notify_all()

    def bodies(self):
        with self.changed:
            return [d["body"] for d in self.deliveries]

    def until(self, condition, seconds):
        deadline = time.monotonic() + seconds
        with self.changed:
            while not condition(self.deliveries):
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self.changed.wait(left)
        return True

    def holds(self, bodies, seconds):
        wanted = set(bodies)
        return self.until(lambda ds: wanted <= {d["body"] for d in ds}, seconds)


CHECKS = {}


def check(limit_seconds):
    def add(function):
        CHECKS[function.__name__] = (function, limit_seconds)
        return function
    return add


@check(20)
def sends_to_a_topic_made_on_the_fly(bench):
    ids = [bench.send("%d" % n).msg_id for n in range(25)]
    require(len(set(ids)) == 25, "ids repeat among %s", ids)
    require(all(len(i) == 32 for i in ids), "an id has not 32 digits: %s", ids[0])
    return "25 sent"


@check(40)
def a_group_consumes_each_message_once(bench):
    bench.send("opener")
    box = Mailbox()
    bench.listen(box)
    bodies = [b"n%d" % n for n in range(120)]
    for body in bodies:
        bench.send(body, tag="colour", key="key-" + body.decode())
    require(box.holds(bodies + [b"opener"], 25), "only %d of 121 came", len(set(box.bodies())))
    require(len(box.bodies()) == 121, "%d deliveries of 121 messages", len(box.bodies()))
    one = [d for d in box.deliveries if d["body"] == b"n5"][0]
    require(one["tag"] == b"colour" and one["key"] == b"key-n5", "tag or key was lost: %s", one)
    return "121 once each"


@check(25)
def one_way_and_asynchronous_sends_are_stored(bench):
    bench.send("opener")
    finished, errors = threading.Semaphore(0), []

    def failed(error):
        errors.append(error)
        finished.release()

    for n in range(40):
        bench.producer.send_async(bench.message("async%d" % n), lambda result: finished.release(), failed)
    for n in range(40):
        require(finished.acquire(timeout=10), "asynchronous send %d was never answered", n)
    require(not errors, "asynchronous sends failed: %s", errors[:1])
    for n in range(40):
        bench.producer.send_oneway(bench.message("oneway%d" % n))
    deadline = time.monotonic() + 10
    stored = 0
    while stored < 81 and time.monotonic() < deadline:
        stored = len(bench.pull_everything())
        time.sleep(0.2)
    require(stored == 81, "%d of 81 are stored", stored)
    return "40 and 40 stored"


@check(25)
def a_pull_consumer_reads_everything(bench):
    bodies = [b"p%d" % n for n in range(150)]
    for body in bodies:
        bench.send(body)
    got = bench.pull_everything()
    require(sorted(got) == sorted(bodies), "%d of 150, %d in all", len(set(got)), len(got))
    return "150 pulled"


@check(40)
def ordered_keys_stay_in_order(bench):
    bench.send("opener")
    for n in range(90):
        result = bench.producer.send_orderly(bench.message("%d/%d" % (n % 3, n)), n % 3)
        require(int(result.status) == 0, "status %s", result.status)
    box = Mailbox()
    bench.listen(box, ordered=True)
    require(box.until(lambda ds: len(ds) >= 91, 25), "%d of 91 came", len(box.bodies()))
    for key in (b"0", b"1", b"2"):
        numbers = [int(b.split(b"/")[1]) for b in box.bodies() if b.startswith(key + b"/")]
        require(numbers == sorted(numbers) and len(numbers) >= 30, "key %s came as %s", key, numbers)
    return "three keys of 30"


@check(40)
def tags_filter_at_the_broker(bench):
    bench.send("opener", tag="green")
    box = Mailbox()
    bench.listen(box, expression="red || blue")
    for n in range(45):
        bench.send("t%d" % n, tag=("red", "green", "blue")[n % 3])
    require(box.until(lambda ds: len(ds) >= 30, 20), "%d of 30 came", len(box.bodies()))
    time.sleep(1)
    tags = {d["tag"] for d in box.deliveries}
    require(len(box.bodies()) == 30 and tags == {b"red", b"blue"}, "%d came, tags %s", len(box.bodies()), tags)
    return "30 of 46"


@check(40)
def every_broadcast_member_gets_everything(bench):
    bench.send("opener")
    boxes = [Mailbox(), Mailbox()]
    for number, box in enumerate(boxes):
        bench.listen(box, broadcast=True, name="%d%s" % (number, bench.group))
    time.sleep(2)
    bodies = [b"b%d" % n for n in range(30)]
    for body in bodies:
        bench.send(body)
    for number, box in enumerate(boxes):
        require(box.holds(bodies, 20), "member %d got %d of 30", number, len(set(box.bodies()) & set(bodies)))
    return "30 to both"


@check(60)
def a_refused_message_comes_again(bench):
    bench.send("warm-up")
    box, refused = Mailbox(), []

    def refuse_once(m):
        box(m)
        if bytes(m.body) == b"stubborn" and not refused:
            refused.append(True)
            raise RuntimeError("not this time")

    bench.listen(refuse_once)
    require(box.holds([b"warm-up"], 15), "the first message never came")
    bench.send("stubborn")
    require(box.until(lambda ds: sum(d["body"] == b"stubborn" for d in ds) >= 2, 40), "it never came again")
    tries = [d for d in box.deliveries if d["body"] == b"stubborn"]
    require(tries[1]["tries"] >= 1, "the second delivery counts %d tries", tries[1]["tries"])
    return "again after %.1f s" % (tries[1]["when"] - tries[0]["when"])


@check(30)
def a_delayed_message_waits(bench):
    bench.send("warm-up")
    box = Mailbox()
    bench.listen(box)
    require(box.holds([b"warm-up"], 15), "the first message never came")
    sent = time.monotonic()
    bench.send("delayed", delay_level=2)
    require(box.holds([b"delayed"], 12), "it never came")
    waited = [d for d in box.deliveries if d["body"] == b"delayed"][0]["when"] - sent
    require(4.5 <= waited <= 8, "level 2 (5 s) came after %.1f s", waited)
    return "after %.1f s" % waited


@check(60)
def queues_move_when_members_come_and_go(bench):
    bench.send("opener")
    boxes = [Mailbox() for _ in range(3)]
    members = [bench.listen(boxes[n], name="%d%s" % (n, bench.group)) for n in range(2)]
    time.sleep(3)
    members.append(bench.listen(boxes[2], name="2" + bench.group))
    time.sleep(3)
    wide = [b"wide%d" % n for n in range(120)]
    for body in wide:
        bench.send(body)

    def shares():
        return [len(set(box.bodies()) & set(wide)) for box in boxes]

    deadline = time.monotonic() + 20
    while sum(shares()) < 120 and time.monotonic() < deadline:
        time.sleep(0.1)
    require(sum(shares()) >= 120 and all(shares()), "three members got %s", shares())
    bench.stop(members[2])
    time.sleep(3)
    narrow = {b"narrow%d" % n for n in range(60)}
    for body in narrow:
        bench.send(body)
    deadline = time.monotonic() + 25
    while not narrow <= set(boxes[0].bodies()) | set(boxes[1].bodies()) and time.monotonic() < deadline:
        time.sleep(0.1)
    missing = narrow - set(boxes[0].bodies()) - set(boxes[1].bodies())
    require(not missing, "after one left, %d of 60 are missing", len(missing))
    return "shares %s, then two" % shares()


@check(60)
def a_group_goes_on_where_it_stopped(bench):
    bench.send("opener")
    first, second = Mailbox(), Mailbox()
    consumer = bench.listen(first, name="same" + bench.group)
    early = [b"early%d" % n for n in range(20)]
    for body in early:
        bench.send(body)
    require(first.holds(early + [b"opener"], 20), "the first run got %d of 21", len(set(first.bodies())))
    time.sleep(6)
    bench.stop(consumer)
    late = [b"late%d" % n for n in range(20)]
    for body in late:
        bench.send(body)
    bench.listen(second, name="same" + bench.group)
    require(second.holds(late, 25), "the second run got %d of 20", len(set(second.bodies()) & set(late)))
    again = set(second.bodies()) & set(early)
    require(not again, "%d were delivered again", len(again))
    return "20, then 20 others"


@check(40)
def bodies_arrive_unchanged(bench):
    # The client takes bodies as C strings, so none may hold a zero byte.
    bodies = [os.urandom(1000).replace(b"\0", b"\1"), b"\x01\x02\xff" * 50, b"compress me " * 9000, ("\u00e4\u4e2d" * 300).encode()]
    bench.send("opener")
    box = Mailbox()
    bench.listen(box)
    for body in bodies:
        bench.send(body)
    require(box.holds(bodies, 20), "%d of %d came unchanged", len(set(box.bodies()) & set(bodies)), len(bodies))
    return "%d bodies, up to %d bytes" % (len(bodies), max(map(len, bodies)))


@check(40)
def a_waiting_consumer_hears_at_once(bench):
    bench.send("opener")
    box = Mailbox()
    bench.listen(box)
    require(box.holds([b"opener"], 15), "the first message never came")
    delays = []
    for n in range(10):
        time.sleep(0.3)
        body = b"now%d" % n
        sent = time.monotonic()
        bench.send(body)
        require(box.holds([body], 10), "%s never came", body)
        delays.append([d for d in box.deliveries if d["body"] == body][0]["when"] - sent)
    median = sorted(delays)[len(delays) // 2] * 1000
    require(median <= 100, "the median is %.1f ms", median)
    return "median %.1f ms" % median


def run_here(name, nameserver):
    bench = Bench(nameserver)
    try:
        print("PASS", CHECKS[name][0](bench), flush=True)
        code = 0
    except Failure as failure:
        print("FAIL", failure, flush=True)
        code = 1
    # The client's own clean-up may hang, or crash the process: what is printed is the verdict, not how it ends.
    closing = threading.Thread(target=bench.close, daemon=True)
    closing.start()
    closing.join(3)
    os._exit(code)


def run_apart(name, nameserver):
    limit = CHECKS[name][1]
    start = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, os.path.abspath(__file__), nameserver, "--here", name], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=limit, text=True)
        verdict, _, said = done.stdout.strip().partition(" ")
        passed = verdict == "PASS"
        said = said or done.stderr.strip()[-300:] or "no verdict; exit status %d" % done.returncode
    except subprocess.TimeoutExpired:
        passed, said = False, "not done within %d s" % limit
    print("%s %s: %s (%.1f s)" % ("ok  " if passed else "FAIL", name, said, time.monotonic() - start), flush=True)
    return passed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("nameserver", nargs="?", help="host:port")
    parser.add_argument("--only", action="append", choices=list(CHECKS), metavar="NAME", help="run this check")
    parser.add_argument("--list", action="store_true", help="name the checks")
    parser.add_argument("--here", choices=list(CHECKS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.list:
        print("\n".join(CHECKS))
        return 0
    if options.nameserver is None:
        parser.error("name the nameserver, host:port")
    if options.here:
        run_here(options.here, options.nameserver)
    results = [run_apart(name, options.nameserver) for name in options.only or CHECKS]
    print("%d passed, %d failed" % (results.count(True), results.count(False)))
    return results.count(False)


if __name__ == "__main__":
    sys.exit(main())
