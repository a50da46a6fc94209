# SPDX-License-Identifier: GPL-2.0
"""The relay command on a terminal, where somebody watches."""

import os
import re
import signal

from channel import Channel, Writer, lines
from tap import expect, expect_true, start, test

RELAY = "/t/readers/relay"
FEW = lines(100)


def recorded(channel, stderr):
    """Starts to record, away from the terminal this is run on; returns when all of FEW was read."""
    command = [RELAY, "record", channel.name, "-o", "trace"]
    child = start(*command, stderr=stderr, start_new_session=True)
    Writer(channel, FEW, close=False).check()
    while channel.count("read")[0] < len(FEW):
        expect(child.poll(), None, "status of relay")
    return child


def said_until(fd, pattern):
    """What comes out of a terminal up to where the pattern is first found."""
    text = b""
    while not re.search(pattern, text):
        text += os.read(fd, 1000)
    return text


def rest(fd):
    text = b""
    try:
        while piece := os.read(fd, 1000):
            text += piece
    except OSError:
        # Nobody has the other end open any more.
        pass
    return text


def record_shows_progress():
    """relay record: on a terminal it shows how far it is, until it is interrupted, and takes that away"""
    with Channel() as channel:
        ours, theirs = os.openpty()
        child = recorded(channel, theirs)
        os.close(theirs)
        said_until(ours, rb"[1-9][0-9.]* [A-Za-z]+ in [0-9]+ s, \^C ends")
        child.send_signal(signal.SIGINT)
        # What is said to the end is what stays: the line was cleared before.
        last = rest(ours).rpartition(b"\x1b[2K")[2].decode()
        os.close(ours)
        expect(child.wait(), 128 + signal.SIGINT, "status")
        expect_true("100 records" in last and "^C ends" not in last, f"it ends with {last!r}")


def record_in_a_pipe():
    """relay record: without a terminal it says nothing before the end"""
    with Channel() as channel:
        out, inside = os.pipe()
        child = recorded(channel, inside)
        os.close(inside)
        child.send_signal(signal.SIGINT)
        text = rest(out).decode()
        os.close(out)
        expect(child.wait(), 128 + signal.SIGINT, "status")
        expect_true("100 records" in text and "^C" not in text and "\x1b" not in text,
                    f"it says {text!r}")


if os.path.exists(RELAY):
    test(record_shows_progress)
    test(record_in_a_pipe)
