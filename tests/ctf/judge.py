# SPDX-License-Identifier: GPL-2.0
"""Whether traces taken from a guest are what tests/modules/relayfs_events.c wrote.

judge.py FOLDER CPUS: FOLDER has a trace for each channel, and .accounts. Each packet is taken apart
byte by byte, and each trace is read with babeltrace2; both must give the events that are expected.
Output is TAP.
"""

import os
import re
import struct
import subprocess
import sys
import uuid

KINDS = ["numbers", "padded", "arrays", "message", "bytes", "words"]
NAMES = KINDS + ["empty"]
ROUNDS = 64
PACKET = struct.Struct("<I16sIQQQQQQII")
EVENT = struct.Struct("<QII")
M64 = (1 << 64) - 1


class Wrong(Exception):
    """What is not as it should be."""


def expect(got, wanted, what):
    if got != wanted:
        raise Wrong(f"{what}: {got!r} instead of {wanted!r}")


def signed(value, bits):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def unsigned(value, bits):
    return value & ((1 << bits) - 1)


# What the module writes.


def fields(name, n, cpu):
    """The fields of event number n of a CPU, in their order."""
    mac = [unsigned(n + i, 8) for i in range(6)]
    if name == "numbers":
        bits = [8, 16, 32, 64]
        times = [1, 3, 5, 7]
        values = {"n": n, "cpu": cpu}
        values |= {f: unsigned(n * t, b) for f, t, b in zip("abcd", times, bits)}
        values |= {f: signed(-n * t, b) for f, t, b in zip("efgh", times, bits)}
        times[3] = 0x9E3779B97F4A7C15
        return values | {f: unsigned(n * t, b) for f, t, b in zip("ijkl", times, bits)}
    if name == "padded":
        return {
            "cpu": cpu,
            "n": n,
            "a": unsigned(n * 3, 8),
            "b": unsigned(n * 5, 32),
            "c": unsigned(n * 7, 8),
        }
    if name == "arrays":
        return {
            "n": n,
            "cpu": cpu,
            "mac": mac,
            "signs": [signed(-n, 32), signed(n, 32), -1],
            "hex": [unsigned(n, 16), unsigned(~n, 16)],
            "name": f"name {n}",
            "full": "full",
        }
    if name == "message":
        text = "abcdefgh"[: n % 9] + str(n) if n % 5 else ""
        return {"n": n, "cpu": cpu, "text": text}
    if name == "bytes":
        data = mac[: n % 7]
        return {"n": n, "cpu": cpu, "data_length": len(data), "data": data}
    if name == "words":
        words = [(-1 if i & 1 else 1) * (n + i) for i in range(5)]
        data = words[: n // len(KINDS) % 6]
        return {"n": n, "cpu": cpu, "data_length": len(data), "data": data}
    return {}


def payload(name, n, cpu):
    """The same as bytes, as C lays them out, and zeroes between them."""
    values = list(fields(name, n, cpu).values())
    if name == "numbers":
        return struct.pack("@QBBHIQbhiqBHIQ", *values)
    if name == "padded":
        return struct.pack("@BQBIB", *values)
    if name == "arrays":
        n, cpu, mac, signs, hexes, text, full = values
        return struct.pack(
            "@QB6B3i2H16s4s", n, cpu, *mac, *signs, *hexes, text.encode(), full.encode()
        )
    if name == "message":
        return struct.pack("@QB", *values[:2]) + values[2].encode() + b"\0"
    if name in ("bytes", "words"):
        n, cpu, length, data = values
        letter = "B" if name == "bytes" else "q"
        # "0q": the padding is there even if nothing follows.
        return struct.pack(f"@QBI0{letter}{length}{letter}", n, cpu, length, *data)
    return b""


def rounds():
    """The events of a CPU that loses none, in order: (name, number)."""
    n = 0
    for _ in range(ROUNDS):
        for _ in range(7):
            yield KINDS[n % 6], n
            n += 1
        yield "padded", n
        yield KINDS[(n + 1) % 6], n + 1
        # The outer one was discarded.
        yield KINDS[(n + 3) % 6], n + 3
        n += 4
        yield "empty", None


# What is in the files.


class Stream:
    """The packets of one buffer, taken apart."""

    def __init__(self, path, trace_uuid, cpu):
        self.events = []
        self.times = []
        self.gap = 0
        self.discarded = 0
        # Of each event.
        self.cpus = []
        with open(path, "rb") as file:
            data = file.read()
        at, seq = 0, None
        while at < len(data):
            at, seq = self.packet(data, at, seq, trace_uuid, cpu)

    def packet(self, data, at, last, trace_uuid, cpu):
        """Look at the packet at a position; return the next position, and this one's number."""
        head = PACKET.unpack_from(data, at)
        magic, its_uuid, stream, size, content, begin, end, discarded, seq, its_cpu, zero = head
        where = f"packet {seq} at {at}"
        expect((magic, stream, zero), (0xC1FC1FC1, 0, 0), where)
        expect(its_uuid, trace_uuid, where)
        if cpu is not None:
            expect(its_cpu, cpu, where)
        if last is not None:
            if seq <= last:
                raise Wrong(f"{where}: after packet {last}")
            self.gap += seq - last - 1
        else:
            self.first, self.first_discarded = seq, discarded
        if size % 8 or content % 8 or not PACKET.size * 8 < content <= size:
            raise Wrong(f"{where}: {content} of {size} bits")
        if discarded < self.discarded:
            raise Wrong(f"{where}: {discarded} discarded after {self.discarded}")
        self.discarded = discarded
        if self.times and begin < self.times[-1] or not 0 < begin <= end:
            raise Wrong(f"{where}: from {begin} to {end}")
        stop, pos = at + content // 8, at + PACKET.size
        while pos < stop:
            pos = self.event(data, pos, (begin, end), where)
            self.cpus.append(its_cpu)
            rest = min(-(pos - at) % 8, stop - pos)
            expect(data[pos : pos + rest], bytes(rest), f"{where}: padding")
            pos += rest
        expect(pos, stop, f"{where}: end")
        return at + size // 8, seq

    def event(self, data, pos, within, where):
        time, number, length = EVENT.unpack_from(data, pos)
        where = f"{where}, event at {pos}"
        if not within[0] <= time <= within[1] or self.times and time < self.times[-1]:
            raise Wrong(f"{where}: time {time}, packet {within}, last {self.times[-1:]}")
        pos += EVENT.size
        self.times.append(time)
        self.events.append((number, data[pos : pos + length]))
        return pos + length


def rust_rounds():
    """The same of relayfs_events_rust.rs."""
    for n in range(64 * 6):
        yield KINDS[n % 6], n
        if n % 6 == 5:
            yield "empty", None


LINE = re.compile(
    r"\[(\d+)\] (\S+) (\w+): \{ cpu_id = (\d+), reserved = 0 \}, \{ len = (\d+) \}, \{ (.*)\}"
)
FIELD = re.compile(r"(\w+) = (\[ (?:\[\d+\] = [^ ,]+,? )*\]|\"[^\"]*\"|[^ ,]+),? ")
LOSS = re.compile(r"Tracer discarded (\d+) (event|packet)s? between")


def babeltrace2(path, times):
    """Run it, with an option that says how times are to be shown."""
    done = subprocess.run(
        ["babeltrace2", times, "--no-delta", path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Wrong(f"babeltrace2 ends with {done.returncode}: {done.stderr[-2000:]}")
    return done


class Reading:
    """What babeltrace2 makes of a trace."""

    def __init__(self, path):
        done = babeltrace2(path, "--clock-cycles")
        self.lost = {"event": 0, "packet": 0}
        for line in done.stderr.splitlines():
            found = LOSS.search(line)
            if found:
                self.lost[found.group(2)] += int(found.group(1))
            elif line.strip():
                raise Wrong(f"babeltrace2 says: {line}")
        # By CPU: (time, name, length, fields); and all in their order, with the CPU before.
        self.events = {}
        self.all = []
        for line in done.stdout.splitlines():
            found = LINE.fullmatch(line)
            if not found:
                raise Wrong(f"babeltrace2 prints: {line}")
            time, _, name, cpu, length, text = found.groups()
            event = (int(time), name, int(length), parse(text))
            self.events.setdefault(int(cpu), []).append(event)
            self.all.append((int(cpu), *event))


def parse(text):
    if FIELD.sub("", text):
        raise Wrong(f"fields: {text!r}")
    return {name: parse_value(value) for name, value in FIELD.findall(text)}


def parse_value(value):
    if value.startswith('"'):
        return value[1:-1]
    if value.startswith("["):
        return [int(v, 0) for v in re.findall(r"\] = ([^ ,]+)", value)]
    return int(value, 0)


class Trace:
    """A channel's trace, read both ways, and what the channel says itself."""

    def __init__(self, folder, name):
        path = os.path.join(folder, name)
        with open(os.path.join(path, "metadata"), encoding="ascii") as file:
            self.metadata = file.read()
        text = re.search(r"\buuid = \"(.*)\"", self.metadata).group(1)
        self.is_global = name in ("global", "rust")
        self.streams = {}
        for file in os.listdir(path):
            if file.startswith("cpu"):
                cpu = 0xFFFFFFFF if self.is_global else int(file[3:])
                stream = Stream(os.path.join(path, file), uuid.UUID(text).bytes, cpu)
                self.streams[cpu] = stream
            elif file == "stream":
                stream = Stream(os.path.join(path, file), uuid.UUID(text).bytes, None)
                self.streams[None] = stream
        self.reading = Reading(path)
        # Times of day, in seconds.
        lines = babeltrace2(path, "--clock-seconds").stdout.splitlines()
        self.day = [float(re.match(r"\[([\d.]+)\]", line).group(1)) for line in lines]
        self.span = [self.seconds(folder, name) for name in (".started", ".ended")]
        self.info = {}
        with open(os.path.join(path, ".info"), encoding="utf-8") as file:
            for line in file:
                words = line.split()
                if re.fullmatch(r"cpu\d+:", words[0]):
                    cpu = 0xFFFFFFFF if self.is_global else int(words[0][3:-1])
                    self.info[cpu] = {k: int(v) for k, v in zip(words[1::3], words[2::3])}

    @staticmethod
    def seconds(folder, name):
        with open(os.path.join(folder, name), encoding="ascii") as file:
            return int(file.read())

    def agree(self):
        """Check that both ways of reading gave the same, and the channel has counted the same."""
        if None not in self.streams:
            expect(set(self.reading.events), set(self.streams), "CPUs")
        # Those in Rust are written when their module is loaded, some time before.
        started, ended = self.span[0] - 60, self.span[1]
        if self.day != sorted(self.day) or self.day[0] < started or self.day[-1] > ended + 1:
            raise Wrong(f"{self.day[0]} to {self.day[-1]}, but it was from {started} to {ended}")
        for cpu, stream in self.streams.items():
            read = self.reading.events[cpu] if cpu is not None else [e[1:] for e in self.reading.all]
            expect([event[0] for event in read], stream.times, f"cpu {cpu}: times")
            lengths = [len(data) for _, data in stream.events]
            expect([event[2] for event in read], lengths, f"cpu {cpu}: lengths")
            rows = self.info if cpu is None else [cpu]
            counted = [sum(self.info[row][key] for row in rows) for key in ("read", "unread")]
            expect(counted, [len(read), 0], f"cpu {cpu}: read and unread, as the channel says")

    def numbered(self, cpu):
        """The events of a buffer, checked against what an event of that number must be, as
        [(writer, name, number)]; the writer is the CPU that wrote it, as the event says."""
        result = []
        read = self.reading.events[cpu]
        for (number, data), (_, name, _, values) in zip(self.streams[cpu].events, read):
            expect(NAMES[number], name, f"cpu {cpu}: name of event type {number}")
            n, writer = values.get("n"), values.get("cpu")
            if not self.is_global and n is not None:
                expect(writer, cpu, f"cpu {cpu}: writer of {n}")
            expect(values, fields(name, n or 0, writer), f"cpu {cpu}: {name} {n}")
            expect(data, payload(name, n or 0, writer), f"cpu {cpu}: {name} {n} as bytes")
            result.append((writer, name, n))
        return result

    def no_loss(self):
        expect(self.reading.lost, {"event": 0, "packet": 0}, "lost")


# The tests: name of the channel, and what must hold.


def complete(trace, cpus, _accounts):
    """All that was written, and nothing else, in order."""
    trace.no_loss()
    for cpu in range(cpus):
        got = [(name, n) for _, name, n in trace.numbered(cpu)]
        expect(got, list(rounds()), f"cpu {cpu}")


def complete_global(trace, cpus, _accounts):
    """The same of one buffer for all CPUs: in order for each of them."""
    trace.no_loss()
    got = trace.numbered(0xFFFFFFFF)
    wanted = [(name, n) for name, n in rounds() if n is not None]
    for cpu in range(cpus):
        expect([(name, n) for writer, name, n in got if writer == cpu], wanted, f"cpu {cpu}")
    expect(len(got), cpus * len(list(rounds())), "events")


def complete_rust(trace, _cpus, _accounts):
    """The same, written in Rust by one CPU."""
    trace.no_loss()
    got = [(name, n) for _, name, n in trace.numbered(0xFFFFFFFF)]
    expect(got, list(rust_rounds()), "events")


def traced(trace, _cpus, _accounts):
    """What the sample systrace saw: all numbers, and the programs that ran."""
    trace.no_loss()
    programs = set()
    for cpu, events in trace.reading.events.items():
        numbers = [values["seq"] for _, _, _, values in events]
        expect(numbers, list(range(len(numbers))), f"cpu {cpu}: numbers")
        programs |= {e[3]["filename"] for e in events if e[1] == "exec"}
        for _, name, _, values in events:
            if name == "exit" and values["comm"] == "true" and values["code"]:
                raise Wrong(f"true ended with {values}")
    if "/bin/true" not in programs:
        raise Wrong(f"programs: {programs}")


def kept(trace, cpu, account):
    """The numbers of a buffer's events: those of its CPU, in order, none twice."""
    numbers = [n for _, _, n in trace.numbered(cpu)]
    expect(numbers, sorted(set(numbers)), f"cpu {cpu}: numbers")
    if numbers and numbers[-1] >= account["next"]:
        raise Wrong(f"cpu {cpu}: number {numbers[-1]} of {account['next']}")
    return numbers


def refused(trace, cpus, accounts):
    """What was refused is missing, and reported, no event more or less."""
    total = 0
    for cpu in range(cpus):
        account = accounts[cpu]
        expect(len(kept(trace, cpu, account)), account["written"], f"cpu {cpu}: events")
        expect(trace.info[cpu]["full"], account["refused"], f"cpu {cpu}: full")
        expect(trace.streams[cpu].discarded, account["refused"], f"cpu {cpu}: in the last packet")
        # Before the stage there was a reader in between, and in it.
        expect(account["refused"], 2 * (10 + cpu), f"cpu {cpu}: refused")
        total += account["refused"]
    expect(trace.reading.lost, {"event": total, "packet": 0}, "reported as lost")


def lapped(trace, cpus, accounts):
    """What was overwritten is missing, and reported, no packet more or less."""
    gap = 0
    for cpu in range(cpus):
        account, stream = accounts[cpu], trace.streams[cpu]
        numbers = kept(trace, cpu, account)
        expect(numbers[:20], list(range(20)), f"cpu {cpu}: read before")
        expect(numbers[-1], account["next"] - 1, f"cpu {cpu}: the newest")
        missing = account["written"] - len(numbers)
        expect(trace.info[cpu]["overwritten"], missing, f"cpu {cpu}: overwritten")
        if stream.first or stream.gap < 3:
            raise Wrong(f"cpu {cpu}: only {stream.gap} packets overwritten")
        gap += stream.gap
    expect(trace.reading.lost, {"event": 0, "packet": gap}, "reported as lost")


def blobs(trace, cpus, _accounts):
    """Bytes as they were written."""
    trace.no_loss()
    for cpu in range(cpus):
        texts = [b"-" * (n % 9) + b"blob %d" % n for n in range(100)]
        expect(trace.streams[cpu].events, [(0, text) for text in texts], f"cpu {cpu}")
        read = [(name, values) for _, name, _, values in trace.reading.events[cpu]]
        expect(read, [("data", {"data": list(text)}) for text in texts], f"cpu {cpu}: read")
    if r'channel = "ctf/blob\"";' not in trace.metadata:
        raise Wrong(f"the channel's name in the metadata: {trace.metadata}")


def merged(trace, cpus, accounts):
    """One stream of all CPUs, in order of time; what is missing is reported, no event more or less. What was
    gone before the reader came to the first event is missing before it, not in the stream."""
    stream = trace.streams[None]
    expect((stream.first, stream.gap), (0, 0), "numbers of packets")
    lost = most = 0
    at = dict.fromkeys(range(cpus), -1)
    written = dict.fromkeys(range(cpus), 0)
    for (number, data), cpu, event in zip(stream.events, stream.cpus, trace.reading.all):
        its_cpu, _, name, _, values = event
        n = values["n"]
        expect((its_cpu, values["cpu"]), (cpu, cpu), f"{name} {n}: CPU")
        expect(values, fields(name, n, cpu), f"cpu {cpu}: {name} {n}")
        expect((NAMES[number], data), (name, payload(name, n, cpu)), f"cpu {cpu}: {n} as bytes")
        if n <= at[cpu]:
            raise Wrong(f"cpu {cpu}: {n} after {at[cpu]}")
        at[cpu] = n
        written[cpu] += 1
    for cpu, account in accounts.items():
        row = trace.info[cpu]
        expect(at[cpu], account["next"] - 1, f"cpu {cpu}: the newest")
        expect(written[cpu], account["written"] - row["overwritten"], f"cpu {cpu}: events")
        expect(row["full"], account["refused"], f"cpu {cpu}: full")
        lost += account["refused"] + row["overwritten"]
        most += row["overwritten"]
    if not lost:
        raise Wrong("nothing was lost")
    expect(stream.discarded, lost, "in the last packet")
    early = stream.first_discarded
    if early > most:
        raise Wrong(f"{early} lost before the first packet, and only {most} overwritten")
    expect(trace.reading.lost, {"event": lost - early, "packet": 0}, "reported as lost")
    turns = sum(a != b for a, b in zip(stream.cpus, stream.cpus[1:]))
    print(f"#   {len(stream.events)} events, {lost} lost, {turns} changes of CPU")


TESTS = [
    ("all", complete),
    ("locked", complete),
    ("global", complete_global),
    ("tsc", complete),
    ("full", refused),
    ("lapped", lapped),
    ('blob"', blobs),
    ("rust", complete_rust),
    ("systrace", traced),
    ("merged", merged),
    ("merged_tsc", merged),
    ("merged_lapped", merged),
]


def main():
    folder, cpus = sys.argv[1], int(sys.argv[2])
    accounts = {}
    with open(os.path.join(folder, ".accounts"), encoding="utf-8") as file:
        for line in file:
            name, cpu, *numbers = line.split()
            account = dict(zip(["next", "written", "refused"], map(int, numbers)))
            accounts.setdefault(name, {})[int(cpu)] = account
    print(f"1..{len(TESTS)}")
    failed = 0
    for number, (name, test) in enumerate(TESTS, 1):
        if name in ("tsc", "merged_tsc") and not os.path.exists(os.path.join(folder, name)):
            print(f"ok {number} - {name} # SKIP the kernel does not know the counter's frequency")
            continue
        try:
            trace = Trace(folder, name)
            trace.agree()
            test(trace, cpus, accounts.get(name))
            print(f"ok {number} - {name}: {test.__doc__.splitlines()[0]}")
        except (Wrong, OSError, LookupError, ValueError, struct.error) as wrong:
            failed += 1
            print(f"not ok {number} - {name}: {test.__doc__.splitlines()[0]}")
            print(f"#   {type(wrong).__name__}: {str(wrong)[:2000]}")
    sys.exit(failed > 0)


main()
