# SPDX-License-Identifier: GPL-2.0
"""Whether the traces that `relay record` made in a guest are what the guest did.

judge.py FOLDER CPUS: FOLDER has a folder for each recording: trace, what was recorded; end, what the
tool said at its end; status. Output is TAP.
"""

import json
import os
import re
import struct
import subprocess
import sys

PACKET = struct.Struct("<I16sIQQQQQQII")
LINE = re.compile(
    r"\[(\d+)\] \S+ \w+: \{ cpu_id = (\d+), reserved = 0 \}, \{ len = \d+ \}, \{ seq = (\d+)"
)


# Why the kernel refuses.
REFUSED = ["full", "too_big", "nested", "closed", "held", "no_buffer", "nmi"]


class Wrong(Exception):
    """What is not as it should be."""


def expect(got, wanted, what):
    if got != wanted:
        raise Wrong(f"{what}: {got!r} instead of {wanted!r}")


class Recording:
    """One run of the tool."""

    def __init__(self, folder, name):
        self.path = os.path.join(folder, name)
        self.expect_status()
        with open(os.path.join(self.path, "end"), encoding="utf-8") as file:
            ends = [line for line in map(json.loads, file) if line["type"] == "end"]
        expect(len(ends), 1, "lines of type end")
        self.end = ends[0]
        self.cpus = {cpu["cpu"]: cpu for cpu in self.end["cpus"]}
        self.folder = self.find()

    def expect_status(self):
        with open(os.path.join(self.path, "status"), encoding="ascii") as file:
            status = int(file.read())
        if status:
            with open(os.path.join(self.path, "said"), encoding="utf-8") as file:
                raise Wrong(f"status {status}: {file.read()[-1000:]}")

    def find(self):
        """The one folder of the trace which has metadata."""
        found = [d for d, _, files in os.walk(os.path.join(self.path, "trace")) if "metadata" in files]
        expect(len(found), 1, "folders with metadata")
        return found[0]

    def streams(self):
        """The bytes of each stream, by CPU."""
        streams = {}
        for file in os.listdir(self.folder):
            if file == "metadata":
                continue
            with open(os.path.join(self.folder, file), "rb") as stream:
                data = stream.read()
            if data:
                cpu = PACKET.unpack_from(data)[9]
                if cpu in streams:
                    raise Wrong(f"two streams of cpu {cpu}")
                streams[cpu] = data
        return streams

    def babeltrace2(self):
        """Its lines, and how many events and packets it misses."""
        done = subprocess.run(
            ["babeltrace2", "--clock-cycles", "--no-delta", self.folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Wrong(f"babeltrace2 ends with {done.returncode}: {done.stderr[-1000:]}")
        lost = {"event": 0, "packet": 0}
        for line in done.stderr.splitlines():
            found = re.search(r"Tracer discarded (\d+) (event|packet)s? between", line)
            if found:
                lost[found.group(2)] += int(found.group(1))
            elif line.strip():
                raise Wrong(f"babeltrace2 says: {line}")
        return done.stdout.splitlines(), lost

    def events(self):
        """The numbers of each CPU's events, after a look at their order; and what is missing."""
        lines, lost = self.babeltrace2()
        numbers, last = {}, 0
        for line in lines:
            found = LINE.match(line)
            if not found:
                raise Wrong(f"babeltrace2 prints: {line}")
            time, cpu, seq = map(int, found.groups())
            if time < last:
                raise Wrong(f"cpu {cpu}, event {seq}: time {time} after {last}")
            last = time
            its = numbers.setdefault(cpu, [])
            if its and seq <= its[-1]:
                raise Wrong(f"cpu {cpu}: event {seq} after {its[-1]}")
            its.append(seq)
        return numbers, lost


def packets(data):
    """Number and events_discarded of each packet of a stream."""
    at = 0
    while at < len(data):
        head = PACKET.unpack_from(data, at)
        expect(head[0], 0xC1FC1FC1, f"packet at {at}")
        yield head[8], head[7]
        at += head[3] // 8
    expect(at, len(data), "end of the last packet")


def accounted(recording, cpus):
    """What is in the trace is what the tool counted, the rest it reports as lost, and the kernel counts
    the same. The channels were closed before the recorder ended, so there is nothing else."""
    numbers, reported = recording.events()
    expect(sorted(numbers), list(range(cpus)), "CPUs")
    total = {"records": 0, "lost": 0, "gaps": 0, "before": 0}
    for cpu, its in numbers.items():
        said = recording.cpus[cpu]
        expect(len(its), said["records"], f"cpu {cpu}: events")
        # What was overwritten before the tool came is not its loss.
        gaps, before = its[-1] + 1 - len(its), its[0]
        if not gaps - before <= said["lost"]:
            raise Wrong(f"cpu {cpu}: {gaps} - {before} events are missing, lost: {said['lost']}")
        # What was refused is not produced.
        expect(len(its) + said["overwritten"], said["produced"], f"cpu {cpu}: of {said}")
        refused = sum(said[cause] for cause in REFUSED)
        expect(said["lost"], said["overwritten"] + refused, f"cpu {cpu}: lost, of {said}")
        total["records"] += len(its)
        total["lost"] += said["lost"]
        total["gaps"] += gaps
        total["before"] += before
    for key in ("records", "lost"):
        expect(recording.end[key], total[key], key)
    return total, reported


def complete(recording, cpus):
    """Each event, in order, none lost."""
    lost = [cpu for cpu in recording.end["cpus"] if cpu["lost"]]
    expect(lost, [], "CPUs that lost something")
    total, reported = accounted(recording, cpus)
    expect((total["lost"], total["gaps"]), (0, 0), "lost, missing")
    expect(reported, {"event": 0, "packet": 0}, "reported by babeltrace2")
    for cpu, data in recording.streams().items():
        # More than the ring holds.
        if len(data) <= 256 * 4096:
            raise Wrong(f"cpu {cpu}: only {len(data)} bytes")


def refused(recording, cpus):
    """What was refused is missing, counted, and reported in the trace."""
    total, reported = accounted(recording, cpus)
    expect(total["records"], sum(cpu["produced"] for cpu in recording.end["cpus"]), "events")
    if not 0 < total["gaps"] <= total["lost"]:
        raise Wrong(f"missing, lost: {total}")
    expect(reported["packet"], 0, "packets reported as lost")
    last = sum(list(packets(data))[-1][1] for data in recording.streams().values())
    if not total["gaps"] <= last <= total["lost"]:
        raise Wrong(f"{last} in the last packets; {total}")
    first = sum(next(packets(data))[1] for data in recording.streams().values())
    expect(reported["event"], last - first, "events reported as lost")


def lapped(recording, cpus):
    """What was overwritten is missing, counted, and reported in the trace."""
    total, reported = accounted(recording, cpus)
    if not total["gaps"] - total["before"] <= total["lost"] <= total["gaps"]:
        raise Wrong(f"missing, lost: {total}")
    if not total["lost"]:
        raise Wrong("nothing was overwritten")
    gaps = 0
    for data in recording.streams().values():
        seqs = [seq for seq, _ in packets(data)]
        gaps += seqs[-1] - seqs[0] + 1 - len(seqs)
    expect(reported, {"event": 0, "packet": gaps}, "reported as lost")


def same(recording, cpus, *others):
    """Who observes gets, byte for byte, what who consumes gets, mapped or read."""
    consumed = recording.streams()
    expect(sorted(consumed), list(range(cpus)), "CPUs")
    for other in others:
        for cpu, data in other.streams().items():
            # Consuming made room for more.
            expect(consumed[cpu].startswith(data), True, f"{other.path}: cpu {cpu}: the same")
            # Four sub-buffers were full.
            if len(list(packets(data))) < 4:
                raise Wrong(f"{other.path}: cpu {cpu}: only {len(data)} bytes")
        expect(sorted(other.streams()), list(range(cpus)), f"{other.path}: CPUs")


def together(recording, cpus, other):
    """Who observes while another consumes gets the same, byte for byte, of busy CPUs."""
    complete(recording, cpus)
    complete(other, cpus)
    streams = recording.streams()
    expect(sorted(streams), sorted(other.streams()), "CPUs")
    for cpu, data in other.streams().items():
        expect(data == streams[cpu], True, f"cpu {cpu}: {len(data)} bytes are the same")


def raw(recording, _cpus):
    """Bytes are events, too."""
    lines, lost = recording.babeltrace2()
    expect(lost, {"event": 0, "packet": 0}, "reported as lost")
    text = b""
    for line in lines:
        text += bytes(int(byte, 0) for byte in re.findall(r"\] = (\w+)", line))
    found = [int(n) for n in re.findall(rb"tools: line (\d+)\n", text)]
    expect(sorted(found), list(range(200)), "lines")


TESTS = [
    (complete, "mapped"),
    (complete, "read"),
    (together, "both-mapped", "both-read"),
    (refused, "refused"),
    (lapped, "lapped"),
    (lapped, "lapped-read"),
    (same, "consumed", "observed", "observed-mapped"),
    (raw, "raw"),
]


def main():
    folder, cpus = sys.argv[1], int(sys.argv[2])
    print(f"1..{len(TESTS)}")
    failed = 0
    for number, (test, *names) in enumerate(TESTS, 1):
        what = f"{number} - {names[0]}: {test.__doc__.splitlines()[0]}"
        try:
            first, *others = [Recording(folder, name) for name in names]
            test(first, cpus, *others)
            print(f"ok {what}")
        except (Wrong, OSError, LookupError, ValueError, struct.error) as wrong:
            failed += 1
            print(f"not ok {what}")
            print(f"#   {type(wrong).__name__}: {str(wrong)[:2000]}")
    sys.exit(failed > 0)


main()
