#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0

"""Prints the lines of a channel, of each CPU, as they come, and what was lost in the end.

follow.py CHANNEL
"""

import fcntl
import glob
import os
import selectors
import struct
import sys

# struct relayfs_lost, and _IOR(0xE1, 1, struct relayfs_lost), of <linux/relayfs.h>.
LOST = struct.Struct("QQ")
RELAY_IOC_GET_LOST = 2 << 30 | LOST.size << 16 | 0xE1 << 8 | 1


def lost_records(fd):
    records, _bytes = LOST.unpack(fcntl.ioctl(fd, RELAY_IOC_GET_LOST, bytes(LOST.size)))
    return records


def follow(channel, out):
    lost = 0
    with selectors.DefaultSelector() as waiting:
        for path in glob.glob(f"/sys/kernel/relay/{glob.escape(channel)}.d/cpu[0-9]*"):
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            # With what was read of a line that goes on.
            waiting.register(fd, selectors.EVENT_READ, bytearray())
        while waiting.get_map():
            for key, _ in waiting.select():
                try:
                    data = os.read(key.fd, 65536)
                except BlockingIOError:
                    continue
                if not data:
                    lost += lost_records(key.fd)
                    waiting.unregister(key.fd)
                    os.close(key.fd)
                key.data.extend(data)
                lines, end, rest = key.data.rpartition(b"\n")
                out.write(lines + end)
                key.data[:] = rest
            out.flush()
    return lost


if __name__ == "__main__":
    if count := follow(sys.argv[1], sys.stdout.buffer):
        print(count, "records lost", file=sys.stderr)
