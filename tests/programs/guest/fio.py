# SPDX-License-Identifier: GPL-2.0
"""fio, unchanged, as a reader of channels, and as the judge of what it read.

fio first writes a file of blocks, each with a sum and the place it belongs to. These bytes then go through
a channel, in records of other lengths, and fio reads that and verifies block by block: what is lost,
doubled or elsewhere does not pass.
"""

import mmap
import os
import struct
import threading

from channel import Channel, Writer
from tap import Wrong, expect, expect_true, finish, output, start, test

SIZE = 512 * 1024
BLOCK = 4096


def fio(*options, wait=True):
    command = ["fio", "--name=job", "--thread", f"--bs={BLOCK}", "--verify=crc32c", *options]
    return output(*command) if wait else start(*command)


def blocks(offset=0):
    """What fio can verify, from this place on."""
    fio("--rw=write", "--do_verify=0", "--ioengine=sync", "--filename=blocks",
        f"--offset={offset}", f"--size={SIZE}")
    with open("blocks", "rb") as file:
        data = file.read()[offset:]
    expect(len(data), SIZE, "bytes that fio wrote")
    return data


def cut(data, step):
    return [data[at:at + step] for at in range(0, len(data), step)]


def reader(path, engine, *options, size=SIZE):
    """Begins to read a channel.

    fio wants to know a file's size before it begins, which streams do not have. So the file it is
    told of appears only when it has looked. It verifies what it reads, as it reads it; not once more
    at the end (do_verify): that begins with an fsync, which streams do not have, if it does not want
    the rest of a short read any more.
    """
    link = os.path.abspath(f"link.{engine}")
    return fio("--rw=read", f"--ioengine={engine}", f"--filename={link}", f"--size={size}",
               "--create_on_open=1", "--allow_file_create=0", "--invalidate=0", "--do_verify=0",
               f"--exec_prerun=ln -s {path} {link}", *options, wait=False)


def verified(engine, records):
    """What fio makes of a channel that is written meanwhile: status, what it says, what it left."""
    channel = Channel()
    with open(channel.cpu(0), "rb") as file:
        child = reader(channel.cpu(0), engine)
        writer = Writer(channel, records, close=False)
        out, err = child.communicate()
        end = threading.Thread(target=lambda: (writer.join(), channel.close()))
        end.start()
        rest = file.read()
        end.join()
    writer.check()
    return child.returncode, (out + err).decode(), rest


def reads(engine):
    """What is left of a short read counts twice for fio, so it may stop before the end, also in a block."""
    data = blocks()
    status, text, rest = verified(engine, cut(data, 1000))
    expect(status, 0, f"status of fio, which says {text}")
    expect(rest, data[len(data) - len(rest):], "what it left")
    # If all reads are short it wants 4096 + 3096 + 2096 + 1096 + 96 bytes for a block.
    expect_true(len(rest) < SIZE * 2 / 3, f"it left {len(rest)} bytes")


@test
def fio_read():
    """fio reads and verifies a channel with read(2)"""
    reads("sync")


@test
def fio_io_uring():
    """fio reads and verifies a channel with io_uring"""
    reads("io_uring")


@test
def fio_libaio():
    """fio reads and verifies a channel with io_submit(2)"""
    reads("libaio")


@test
def fio_notices():
    """fio does not take a channel for whole in which two records are exchanged"""
    records = cut(blocks(), 1000)
    records[300:302] = records[301:299:-1]
    status, text, _ = verified("sync", records)
    expect((status, "verify" in text), (1, True), "fio")


@test
def fio_mmap():
    """fio verifies a CPU's buffer that it has mapped"""
    with Channel(subbuf_size=65536, n_subbufs=8) as channel:
        with open(channel.cpu(0), "rb") as file:
            with mmap.mmap(file.fileno(), mmap.PAGESIZE, prot=mmap.PROT_READ) as head:
                [offset] = struct.unpack_from("Q", head, 8)
        Writer(channel, cut(blocks(offset), BLOCK), close=False).check()
        # What is before the data it cannot know, and is to say so.
        child = reader(channel.cpu(0), "mmap", "--continue_on_error=verify", size=offset + SIZE)
        text = finish(child).decode()
        expect_true(f"total={(offset + SIZE) // BLOCK}," in text, text)
        expect_true(f"errors    : total={offset // BLOCK}," in text, text)


@test
def fio_places():
    """Engines of fio that read at a place are refused, as with a pipe, and consume nothing"""
    data = blocks()
    for engine in ("psync", "pvsync", "splice"):
        status, text, rest = verified(engine, cut(data[:10000], 1000))
        refused = "Illegal seek" in text or "Invalid argument" in text
        expect((status, refused), (1, True), f"{engine}: {text}")
        expect(rest, data[:10000], "what is there for others")


@test
def fio_is_told_the_truth():
    """What the kernel says of a pipe when it is read at a place, it says of a channel"""
    reads_, writes = os.pipe()
    with Channel() as channel:
        fd = os.open(channel.cpu(0), os.O_RDONLY)
        got = []
        for one in (fd, reads_):
            try:
                os.preadv(one, [bytearray(10)], 0)
                raise Wrong("it reads at a place")
            except OSError as error:
                got.append(error.errno)
        os.close(fd)
    os.close(reads_)
    os.close(writes)
    expect(got[0], got[1], "error")
