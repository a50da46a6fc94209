# SPDX-License-Identifier: GPL-2.0
"""The readers in samples/readers, each on a stream that is known."""

import os
import re
import signal
import time

from channel import Channel, RELAY_MODE_CONTINUOUS, Writer, line, lines
from tap import Wrong, expect, expect_true, start, test

READERS = "/t/readers"
MANY = 3000


def follower(language, channel):
    commands = {
        "C": [f"{READERS}/c/follow", channel.whole],
        "Rust": [f"{READERS}/rust/follow", channel.name],
        "Python": ["/usr/bin/python3", f"{READERS}/python/follow.py", channel.name],
        "shell": ["/bin/busybox", "sh", f"{READERS}/sh/follow", channel.name],
    }
    return commands[language]


def all_lines(language):
    """Every line of each CPU once and in order, and no loss."""
    cpus = sorted(os.sched_getaffinity(0))
    channel = Channel()
    tags = [f"cpu{cpu} " for cpu in cpus]
    with open("out", "wb") as out:
        child = start(*follower(language, channel), stdout=out)
    first = [line(0, tag) for tag in tags]
    for cpu, record in zip(cpus, first):
        Writer(channel, [record], cpu, close=False).check()
    while channel.count("read")[0] < len(cpus):
        expect(child.poll(), None, "status of the reader")
    writers = [
        Writer(channel, lines(MANY, tag)[1:], cpu, close=False) for cpu, tag in zip(cpus, tags)
    ]
    for writer in writers:
        writer.check()
    channel.close()
    _, err = child.communicate()
    expect((child.returncode, err), (0, b""), "status, errors")
    with open("out", "rb") as out:
        got = out.readlines()
    for tag in tags:
        mine = [text for text in got if text.startswith(tag.encode())]
        expect(b"".join(mine), b"".join(lines(MANY, tag)), f"lines of {tag}")
    expect(len(got), MANY * len(cpus), "number of lines")


def lost_lines(language):
    """Of a buffer that was lapped: the newest lines, whole, and the number of those before them."""
    channel = Channel(flags=RELAY_MODE_CONTINUOUS, subbuf_size=4096, n_subbufs=4)
    Writer(channel, lines(MANY), close=False).check()
    child = start(*follower(language, channel))
    got = b""
    while line(MANY - 1) not in got:
        got += os.read(child.stdout.fileno(), 10000)
    channel.close()
    out, err = child.communicate()
    expect((child.returncode, out), (0, b""), "status, further output")
    kept = got.count(b"\n")
    expect_true(10 < kept < MANY / 2, f"it read {kept} lines")
    expect(got, b"".join(lines(MANY)[-kept:]), "the newest lines")
    told = re.search(rb"^(\d+) records lost", err)
    if not told:
        raise Wrong(f"it tells of no loss: {err}")
    expect(int(told[1]), MANY - kept, "lost records")


def define(language):
    def reads():
        all_lines(language)

    def loses():
        lost_lines(language)

    name = language.lower()
    reads.__name__, reads.__doc__ = f"readers_{name}", f"the reader in {language} gives all lines"
    loses.__name__, loses.__doc__ = f"readers_{name}_loss", f"the reader in {language} tells of loss"
    test(reads)
    test(loses)


for one in ("C", "Rust", "Python", "shell"):
    if one != "Rust" or os.path.exists(f"{READERS}/rust/follow"):
        define(one)


@test
def readers_c_mapped():
    """the reader in C that maps a CPU's buffer gives what is written from now on"""
    # While it is mapped, each flush interval costs a sub-buffer, and in the end laps who is slow.
    with Channel(flags=RELAY_MODE_CONTINUOUS, subbuf_size=65536, flush_ms=500) as channel:
        Writer(channel, lines(10), close=False).check()
        channel.flush()
        child = start(f"{READERS}/c/mapped", channel.cpu(0), bufsize=0)
        # It begins behind what is complete when it looks: until the first line comes.
        number = 10
        os.set_blocking(child.stdout.fileno(), False)
        while not (got := child.stdout.read()):
            Writer(channel, [line(number)], close=False).check()
            number += 1
            time.sleep(0.02)
        os.set_blocking(child.stdout.fileno(), True)
        first = int(got.split()[1])
        Writer(channel, lines(MANY)[number:], close=False).check()
        channel.flush()
        wanted = b"".join(lines(MANY)[first:])
        while len(got) < len(wanted):
            got += os.read(child.stdout.fileno(), 10000)
        expect(got, wanted, "what it printed")
        child.send_signal(signal.SIGTERM)
        _, err = child.communicate()
        expect(err, b"", "records missed")


@test
def readers_c_consume():
    """the reader in C that consumes a mapping gives all lines, and the writer gets the room"""
    channel = Channel()
    with open("out", "wb") as out:
        child = start(f"{READERS}/c/consume", channel.cpu(0), stdout=out)
    Writer(channel, lines(MANY)).check()
    _, err = child.communicate()
    expect((child.returncode, err), (0, b""), "status, errors")
    with open("out", "rb") as out:
        expect(out.read(), b"".join(lines(MANY)), "what it printed")


@test
def readers_c_consume_goes_on():
    """the reader in C that consumes a mapping begins where the one before it stopped, inside a sub-buffer"""
    channel = Channel()
    Writer(channel, lines(MANY)[:20], close=False).check()
    taken = len(b"".join(lines(MANY)[:7])) + 3
    with open(channel.cpu(0), "rb", buffering=0) as file:
        got = file.read(taken)
    with open("out", "wb") as out:
        child = start(f"{READERS}/c/consume", channel.cpu(0), stdout=out)
    Writer(channel, lines(MANY)[20:]).check()
    _, err = child.communicate()
    expect((child.returncode, err), (0, b""), "status, errors")
    with open("out", "rb") as out:
        expect(got + out.read(), b"".join(lines(MANY)), "what it printed")
