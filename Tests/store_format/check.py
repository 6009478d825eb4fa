#!/usr/bin/env python3
"""Reads a store's files by RocketMQ 4.9's format alone and says what does not fit it.

    check.py STORE [--slots N] [--entries N]

Shares no code with the writer. Checks each field of each record of the commit log, each consume queue entry against its
record, each chain of each index file against the keys in the log, and the checkpoint. Ends with one line of counts.
"""
import argparse
import pathlib
import struct
import sys
import zlib

MAGIC, BLANK = 0xDAA320A7, 0xCBD43194


def java_hash(text):
    value = 0
    units = text.encode("utf-16-be")
    for index in range(0, len(units), 2):
        value = (value * 31 + (units[index] << 8 | units[index + 1])) & 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def key_hash(topic, key):
    value = abs(java_hash(f"{topic}#{key}"))
    return 0 if value == 1 << 31 else value


def expect(condition, text):
    if not condition:
        sys.exit(f"FAIL {text}")


def records(directory):
    """Each record of the log: offset, size, fields."""
    for path in sorted(directory.iterdir()):
        base, data = int(path.name), path.read_bytes()
        position = 0
        while position + 8 <= len(data):
            size, magic = struct.unpack_from(">iI", data, position)
            if magic == BLANK:
                expect(size == len(data) - position, f"{path.name}+{position}: filler of {size} bytes")
                break
            if size == 0:
                break
            expect(magic == MAGIC, f"{path.name}+{position}: magic {magic:x}")
            (crc, queue, flag, queue_offset, offset, sysflag, born) = struct.unpack_from(">IiiqqiQ", data, position + 8)
            at = position + 48
            at += 20 if sysflag & 0x10 else 8
            (stored,) = struct.unpack_from(">q", data, at)
            at += 8 + (20 if sysflag & 0x20 else 8)
            reconsumed, prepared, length = struct.unpack_from(">iqi", data, at)
            at += 16
            body = data[at : at + length]
            at += length
            topic = data[at + 1 : at + 1 + data[at]].decode()
            at += 1 + data[at]
            (length,) = struct.unpack_from(">h", data, at)
            text = data[at + 2 : at + 2 + length].decode()
            expect(at + 2 + length == position + size, f"{offset}: lengths inside")
            expect(offset == base + position, f"{base + position}: says it stands at {offset}")
            expect(zlib.crc32(body) & 0x7FFFFFFF == crc, f"{offset}: sum of the body")
            properties = dict(pair.split("\x01", 1) for pair in text.split("\x02") if pair)
            yield offset, size, topic, queue, queue_offset, stored, sysflag, properties
            position += size


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("store", type=pathlib.Path)
    parser.add_argument("--slots", type=int, default=5_000_000)
    parser.add_argument("--entries", type=int, default=20_000_000)
    options = parser.parse_args()

    queues, keys, times = {}, [], {}
    log = list(records(options.store / "commitlog"))
    for offset, size, topic, queue, queue_offset, stored, sysflag, properties in log:
        tag = java_hash(properties["TAGS"]) if properties.get("TAGS") else 0
        if sysflag & 0xC not in (0x4, 0xC):
            queues[topic, queue, queue_offset] = (offset, size, tag)
        times[offset] = stored
        if sysflag & 0xC == 0xC:
            continue
        own = [properties["UNIQ_KEY"]] if "UNIQ_KEY" in properties else []
        own += [key for key in properties.get("KEYS", "").split(" ") if key]
        keys += [(key_hash(topic, key), offset) for key in own]

    found = {}
    for directory in sorted((options.store / "consumequeue").glob("*/*")):
        for path in sorted(directory.iterdir()):
            data = path.read_bytes()
            first = int(path.name) // 20
            for index in range(len(data) // 20):
                entry = struct.unpack_from(">qiq", data, index * 20)
                if entry[1]:
                    found[directory.parent.name, int(directory.name), first + index] = entry
    expect(found == queues, f"the queues have {len(found)} entries, the log {len(queues)} messages for them")

    indexed = []
    for path in sorted((options.store / "index").iterdir()):
        data = path.read_bytes()
        expect(len(data) == 40 + 4 * options.slots + 20 * options.entries, f"{path.name}: {len(data)} bytes")
        expect(len(path.name) == 17 and path.name.isdigit(), f"{path.name}: name")
        begin, end, first, last, used, following = struct.unpack_from(">qqqqii", data)
        entries = [
            struct.unpack_from(">iqii", data, 40 + 4 * options.slots + 20 * index) for index in range(following)
        ]
        expect(entries[0] == (0, 0, 0, 0), f"{path.name}: entry 0 is in use")
        expect((first, last) == (entries[1][1], entries[-1][1]), f"{path.name}: offsets {first} to {last}")
        expect((begin, end) == (times[first], times[last]), f"{path.name}: times {begin} to {end}")
        slots = struct.unpack_from(f">{options.slots}i", data, 40)
        expect(sum(1 for slot in slots if slot) == used, f"{path.name}: {used} slots in use")
        reached = set()
        for slot, newest in enumerate(slots):
            while newest:
                value, offset, seconds, older = entries[newest]
                expect(value % options.slots == slot, f"{path.name}: entry {newest} in slot {slot}")
                expect(older < newest, f"{path.name}: entry {newest} leads to {older}")
                expect(seconds == (times[offset] - begin) // 1000, f"{path.name}: seconds of entry {newest}")
                reached.add(newest)
                newest = older
        expect(len(reached) == following - 1, f"{path.name}: {len(reached)} of {following - 1} entries are reached")
        indexed += [(value, offset) for value, offset, _, _ in entries[1:]]
    expect(indexed == keys, f"the index has {len(indexed)} entries, the log {len(keys)} keys")

    data = (options.store / "checkpoint").read_bytes()
    checkpoint = struct.unpack_from(">qqq", data)
    expect(checkpoint[0] == max(times.values()), f"checkpoint {checkpoint}")
    expect(len(data) == 4096 and not any(data[24:512]), f"checkpoint of {len(data)} bytes")
    magic, version, beside, synced, queued = struct.unpack_from(">8si24sqq", data, 512)
    expect((magic, version, beside) == (b"SEATRIAL", 1, data[:24]), f"reach {magic}, {version}")
    expect(synced == queued == log[-1][0] + log[-1][1], f"reach {synced}, {queued}")
    expect(zlib.crc32(data[512 : 512 + 76]) == struct.unpack_from(">I", data, 512 + 76)[0], "sum of the reach")
    print(f"{len(log)} records, {len(found)} queue entries, {len(indexed)} index entries")


main()
