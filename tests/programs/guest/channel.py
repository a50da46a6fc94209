# SPDX-License-Identifier: GPL-2.0
"""Channels that the test client (tests/modules/relayfs_test.ko) opens and writes to."""

import array
import fcntl
import os
import random
import re
import struct
import threading
import zlib

MOUNT = "/sys/kernel/relay"

# As in <linux/relayfs_fs.h>.
RELAY_DELIVERY_PACKET = 0x002
RELAY_USAGE_GLOBAL = 0x080
RELAY_MODE_CONTINUOUS = 0x100
RELAY_MODE_NO_OVERWRITE = 0x200

# As in relayfs_test.h.
OPEN = struct.Struct("QQ18I")
OPEN_ID = 10
WRITE = struct.Struct("QQIi")


def _ioctl(direction, number, size):
    return direction << 30 | size << 16 | ord("r") << 8 | number


RELAYTEST_OPEN = _ioctl(3, 1, OPEN.size)
RELAYTEST_CLOSE = _ioctl(1, 2, 4)
RELAYTEST_FLUSH = _ioctl(1, 5, 4)
RELAYTEST_WRITE_WAIT = _ioctl(1, 7, WRITE.size)


class Channel:
    """A channel that refuses what has no room, as most tests want to see everything.

    What is written waits for room: a reader that loses nothing is asked for, not one that is fast.
    """

    numbers = 0

    def __init__(
        self, name=None, flags=0, subbuf_size=16384, n_subbufs=8, flush_ms=20, mode=0
    ):
        Channel.numbers += 1
        self.name = name or f"programs/{Channel.numbers}"
        self.device = os.open("/dev/relayfs_test", os.O_RDWR | os.O_CLOEXEC)
        path = array.array("B", self.name.encode() + b"\0")
        fields = [0] * 20
        fields[:4] = [
            path.buffer_info()[0],
            subbuf_size,
            n_subbufs,
            flags | (0 if flags & RELAY_MODE_CONTINUOUS else RELAY_MODE_NO_OVERWRITE),
        ]
        fields[4] = mode
        fields[7] = flush_ms
        request = bytearray(OPEN.pack(*fields))
        fcntl.ioctl(self.device, RELAYTEST_OPEN, request)
        self.id = OPEN.unpack(request)[2 + OPEN_ID]

    @property
    def whole(self):
        """The file with the data of all CPUs."""
        return f"{MOUNT}/{self.name}"

    def cpu(self, number):
        """The file of one CPU."""
        return f"{self.whole}.d/cpu{number}"

    @property
    def info(self):
        with open(f"{self.whole}.d/info", encoding="ascii") as file:
            return file.read()

    def count(self, key):
        """A counter of all CPUs: records, bytes."""
        return tuple(map(int, re.search(rf"^total:.* {key} (\d+) (\d+)", self.info, re.M).groups()))

    def write(self, data):
        """One record, on this CPU, when there is room for it."""
        data = array.array("B", data)
        address, length = data.buffer_info()
        fcntl.ioctl(self.device, RELAYTEST_WRITE_WAIT, WRITE.pack(address, length, self.id, -1))

    def flush(self):
        fcntl.ioctl(self.device, RELAYTEST_FLUSH, struct.pack("I", self.id))

    def close(self):
        """No more data: readers find the end of the file."""
        if self.device >= 0:
            os.close(self.device)
            self.device = -1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def line(number, tag=""):
    """A line that proves itself: its number, text of some length, and the sum of both."""
    filler = random.Random(number).randbytes(number * 7 % 60).hex()
    text = f"{tag}line {number:06} {filler}"
    return f"{text} {zlib.crc32(text.encode()):08x}\n".encode()


def lines(count, tag=""):
    return [line(number, tag) for number in range(count)]


class Writer(threading.Thread):
    """Writes records while the others do what they do, then closes the channel if it is to."""

    def __init__(self, channel, records, cpu=0, close=True):
        super().__init__(daemon=True)
        self.channel, self.records, self.cpu, self.ends = channel, records, cpu, close
        self.error = None
        self.start()

    def run(self):
        try:
            os.sched_setaffinity(0, [self.cpu])
            for record in self.records:
                self.channel.write(record)
        except OSError as error:
            self.error = error
        if self.ends:
            self.channel.close()

    def check(self):
        """When it is done: whether all went well."""
        self.join()
        if self.error:
            raise self.error
