# SPDX-License-Identifier: GPL-2.0
"""What programs do with pipes, and mappings, unchanged, on channels."""

import array
import asyncio
import errno
import fcntl
import mmap
import os
import signal
import socket
import struct
import termios
import threading

from channel import Channel, Writer, line
from python import DATA, FEW, MANY, open_nonblocking, write_on_cpu0
from tap import Wrong, expect, expect_true, test


@test
def python_asyncio_stream():
    """asyncio: a stream of lines, as of a pipe"""

    async def with_stream(channel):
        stream = asyncio.StreamReader()
        with open(channel.cpu(0), "rb", buffering=0) as file:
            await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(stream), file
            )
            writer = Writer(channel, MANY)
            got = [text async for text in stream]
        writer.check()
        return b"".join(got)

    expect(asyncio.run(with_stream(Channel())), DATA, "connect_read_pipe")


def fionread(fd):
    count = array.array("i", [-1])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]


@test
def python_fionread():
    """FIONREAD is the number of bytes that a read would find"""
    with Channel() as channel:
        fds = [os.open(path, os.O_RDONLY) for path in (channel.cpu(0), channel.whole)]
        expect([fionread(fd) for fd in fds], [0, 0], "in an empty channel")
        write_on_cpu0(channel, FEW)
        left = sum(map(len, FEW))
        for step in (1, 1000, 7777):
            expect([fionread(fd) for fd in fds], [left, left], "unread")
            left -= len(os.read(fds[0], step))
        expect([fionread(fd) for fd in fds], [left, left], "unread")
        expect(len(os.read(fds[0], left + 1)), left, "what a read found")
        expect([fionread(fd) for fd in fds], [0, 0], "when all was read")


@test
def python_sigio():
    """O_ASYNC: SIGIO comes when there is something to read, and at the end"""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
    try:
        with Channel() as channel:
            fd = open_nonblocking(channel)
            fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
            fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
            expect(signal.sigtimedwait([signal.SIGIO], 0.1), None, "signal of an empty channel")
            for number in range(20):
                write_on_cpu0(channel, [line(number)])
                expect_true(signal.sigtimedwait([signal.SIGIO], 30), "no signal")
                expect(os.read(fd, 1000), line(number), "what it told of")
                # One that a second wake-up for the same sent.
                while signal.sigtimedwait([signal.SIGIO], 0):
                    pass
            channel.close()
            expect_true(signal.sigtimedwait([signal.SIGIO], 30), "no signal at the end")
            expect(os.read(fd, 1000), b"", "the end")
            os.close(fd)
    finally:
        while signal.sigtimedwait([signal.SIGIO], 0):
            pass
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGIO])


@test
def python_sendfile():
    """os.sendfile: to a file and to a socket"""
    channel = Channel()
    with open(channel.cpu(0), "rb", buffering=0) as file, open("copy", "w+b") as copy:
        writer = Writer(channel, MANY)
        while os.sendfile(copy.fileno(), file.fileno(), None, 30000):
            pass
        copy.seek(0)
        expect(copy.read(), DATA, "the file")
    writer.check()
    channel = Channel()
    ours, theirs = socket.socketpair()
    got = bytearray()

    def receive():
        while data := theirs.recv(10000):
            got.extend(data)

    receiver = threading.Thread(target=receive)
    receiver.start()
    with open(channel.cpu(0), "rb", buffering=0) as file:
        writer = Writer(channel, MANY)
        while os.sendfile(ours.fileno(), file.fileno(), None, 30000):
            pass
    ours.close()
    receiver.join()
    theirs.close()
    expect(bytes(got), DATA, "what the socket got")
    writer.check()


@test
def python_splice():
    """os.splice: through a pipe, as much as there is, and nothing is lost on the way"""
    channel = Channel()
    reads, writes = os.pipe()
    got = bytearray()
    with open(channel.cpu(0), "rb", buffering=0) as file:
        writer = Writer(channel, MANY)
        while count := os.splice(file.fileno(), writes, 20000):
            got += os.read(reads, count)
    expect(bytes(got), DATA, "what came through")
    writer.check()
    with Channel() as channel:
        fd = open_nonblocking(channel)
        try:
            os.splice(fd, writes, 100)
            raise Wrong("it splices nothing")
        except BlockingIOError:
            pass
        write_on_cpu0(channel, FEW)
        expect(os.splice(fd, writes, 100), 100, "bytes")
        expect(os.read(reads, 1000), b"".join(FEW)[:100], "what was spliced")
        expect(os.read(fd, 100), b"".join(FEW)[100:200], "what follows")
        os.close(fd)
    os.close(reads)
    os.close(writes)


def mapped(fd):
    """All of a CPU's buffer, and where in it the first page says the data is."""
    head = mmap.mmap(fd, mmap.PAGESIZE, prot=mmap.PROT_READ)
    _, _, offset, subbuf_size, n_subbufs, _ = struct.unpack_from("IIQQII", head)
    return offset, subbuf_size, mmap.mmap(fd, offset + subbuf_size * n_subbufs, prot=mmap.PROT_READ)


@test
def python_mmap():
    """mmap: the data of a CPU as they lie in its buffer"""
    with Channel() as channel, open(channel.cpu(0), "rb") as file:
        records = [bytes([number]) * 4096 for number in range(12)]
        write_on_cpu0(channel, records)
        offset, subbuf_size, memory = mapped(file.fileno())
        expect(subbuf_size, 16384, "subbuf_size")
        for number, record in enumerate(records):
            at = offset + number * 4096
            expect(memory[at:at + 4096], record, f"record {number}")
        # It consumed nothing.
        expect(file.read(len(records) * 4096), b"".join(records), "what is read")
        expect(memory[offset:offset + 4096], records[0], "record 0 afterwards")
