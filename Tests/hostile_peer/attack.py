#!/usr/bin/env python3
"""Attacks on a running broker. Usage: attack.py PORT. One line for each; the exit status counts those that did harm."""
import json
import socket
import struct
import sys
import time

PORT = int(sys.argv[1])
SEND = {"producerGroup": "P", "topic": "honest", "defaultTopic": "TBW102", "defaultTopicQueueNums": "4", "queueId": "0",
        "sysFlag": "0", "bornTimestamp": "1", "flag": "0", "properties": "", "reconsumeTimes": "0", "unitMode": "false",
        "batch": "false"}
PULL = {"consumerGroup": "G", "topic": "honest", "queueId": "0", "queueOffset": "0", "maxMsgNums": "32", "sysFlag": "4",
        "commitOffset": "0", "suspendTimeoutMillis": "0", "subscription": "*", "subVersion": "0"}


def frame(code, fields, opaque=1, body=b""):
    head = json.dumps({"code": code, "language": "PYTHON", "version": 401, "opaque": opaque, "flag": 0,
                       "extFields": fields}).encode()
    return struct.pack(">II", 4 + len(head) + len(body), len(head)) + head + body


def connect():
    link = socket.create_connection(("127.0.0.1", PORT), timeout=20)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def ask(link, request):
    link.sendall(request)
    data = b""
    while len(data) < 4 or len(data) < 4 + struct.unpack(">I", data[:4])[0]:
        part = link.recv(65536)
        if not part:
            raise EOFError("the broker closed the connection")
        data += part
    size = struct.unpack(">I", data[4:8])[0] & 0xFFFFFF
    return json.loads(data[8:8 + size])


def honest():
    """A send and a pull, as a client that has done nothing."""
    with connect() as link:
        if ask(link, frame(10, SEND, body=b"m"))["code"] != 0:
            raise AssertionError("an honest send was not taken")
        if ask(link, frame(11, PULL))["code"] != 0:
            raise AssertionError("an honest pull was not served")


def leaves_in_the_middle():
    """Requests of each kind in one write, and then the end of the connection, before any of them is answered."""
    by_time = {"topic": "honest", "queueId": "0", "timestamp": "1"}
    by_key = {"topic": "honest", "key": "k", "maxNum": "32", "beginTimestamp": "0", "endTimestamp": "9999999999999"}
    for code, fields in ((29, by_time), (11, PULL), (12, by_key), (14, {"consumerGroup": "G", "topic": "honest", "queueId": "0"}),
                         (202, {"topic": "honest"})):
        for count in (8, 16, 100, 400):
            for _ in range(8):
                with connect() as link:
                    link.sendall(b"".join(frame(code, fields, n) for n in range(count)))
        honest()


def does_not_read():
    """Large answers that nobody takes, from some connections at once; then they are gone."""
    with connect() as link:
        for _ in range(8):
            ask(link, frame(10, SEND, body=b"x" * 200_000))
    links = [connect() for _ in range(20)]
    for link in links:
        link.sendall(b"".join(frame(11, PULL, n) for n in range(40)))
    time.sleep(0.5)
    honest()
    for link in links:
        link.close()


def invents_groups():
    """Heartbeats of more groups than any client has."""
    groups = [{"groupName": "g%d" % n, "consumeType": "CONSUME_PASSIVELY", "messageModel": "CLUSTERING",
               "consumeFromWhere": "CONSUME_FROM_LAST_OFFSET", "subscriptionDataSet": [], "unitMode": False} for n in range(5000)]
    body = json.dumps({"clientID": "c", "consumerDataSet": groups, "producerDataSet": []}).encode()
    with connect() as link:
        if ask(link, frame(34, {}, body=body))["code"] == 0:
            raise AssertionError("a client of 5000 groups was taken")


def pulls_for_groups_that_are_not():
    """Pulls of a topic that is not there, each for a group of its own: nothing of it may stay."""
    with connect() as link:
        for n in range(2000):
            fields = dict(PULL, topic="nowhere", consumerGroup="ghost%d" % n)
            if ask(link, frame(11, fields))["code"] != 17:
                raise AssertionError("a topic that is not there was found")
        link.sendall(frame(201, {}))
        data = b""
        link.settimeout(5)
        while len(data) < 4 or len(data) < 4 + struct.unpack(">I", data[:4])[0]:
            data += link.recv(65536)
        if b"ghost1999" in data:
            raise AssertionError("a group that pulled nothing is kept")


def locks_what_is_not_there():
    """Locks of queues that no topic has."""
    queues = [{"topic": "nowhere%d" % n, "brokerName": "b", "queueId": n} for n in range(5000)]
    body = json.dumps({"consumerGroup": "G", "clientId": "c", "mqSet": queues}).encode()
    with connect() as link:
        ask(link, frame(41, {}, body=body))


def main():
    honest()
    harm = 0
    for attack in (leaves_in_the_middle, does_not_read, invents_groups, pulls_for_groups_that_are_not, locks_what_is_not_there):
        try:
            attack()
            honest()
            print("ok    %s" % attack.__name__)
        except Exception as trouble:  # whatever it is, it is harm
            harm += 1
            print("HARM  %s: %r" % (attack.__name__, trouble))
    print("%d passed, %d failed" % (5 - harm, harm))
    sys.exit(harm)


main()
