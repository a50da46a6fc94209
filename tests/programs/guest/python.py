# SPDX-License-Identifier: GPL-2.0
"""Python's ways to read a file, wait for it and be told of it, unchanged, on channels."""

import asyncio
import errno
import os
import select
import selectors
import signal
import socket
import threading

from channel import Channel, Writer, line, lines
from tap import Wrong, expect, expect_true, test

MANY = lines(3000)
FEW = lines(300)
DATA = b"".join(MANY)


def write_on_cpu0(channel, records):
    """Returns when it is done; the channel goes on."""
    writer = Writer(channel, records, close=False)
    writer.check()


def open_nonblocking(channel):
    return os.open(channel.cpu(0), os.O_RDONLY | os.O_NONBLOCK)


def read_all_there_is(fd, into):
    """Until nothing is left for now (False), or for ever (True)."""
    while True:
        try:
            data = os.read(fd, 5000)
        except BlockingIOError:
            return False
        if not data:
            return True
        into += data


@test
def python_open_read():
    """open().read() gives all, up to the end of the channel"""
    channel = Channel()
    with open(channel.cpu(0), "rb") as file:
        writer = Writer(channel, MANY)
        expect(file.read(), DATA, "read()")
    writer.check()


@test
def python_lines():
    """for line in open() gives each line before the next is written"""
    with Channel() as channel, open(channel.cpu(0), encoding="ascii") as file:
        for number in range(50):
            write_on_cpu0(channel, [line(number)])
            expect(next(file), line(number).decode(), f"line {number}")


@test
def python_readinto():
    """readinto, readv and reads without a buffer give the same"""
    channel = Channel()
    writer = Writer(channel, MANY)
    got, parts = bytearray(), [bytearray(10), bytearray(3000)]
    with open(channel.cpu(0), "rb", buffering=0) as file:
        while True:
            count = os.readv(file.fileno(), parts)
            got += b"".join(parts)[:count]
            more = bytearray(777)
            count = file.readinto(more)
            if not count:
                break
            got += more[:count]
    expect(bytes(got), DATA, "what was read")
    writer.check()


@test
def python_no_seeking():
    """A channel is a stream: no seeking, no reading at a place"""
    with Channel() as channel, open(channel.cpu(0), "rb", buffering=0) as file:
        expect(file.seekable(), False, "seekable()")
        write_on_cpu0(channel, FEW)
        for attempt in (lambda: file.seek(0), file.tell, lambda: os.pread(file.fileno(), 10, 0)):
            try:
                attempt()
            except OSError as error:
                expect(error.errno, errno.ESPIPE, "error")
            else:
                raise Wrong("it seeks")
        expect(file.read(10), FEW[0][:10], "what is read afterwards")


@test
def python_nonblocking():
    """Without data a read that does not block says so; with data it takes what there is"""
    with Channel() as channel, open(channel.cpu(0), "rb", buffering=0) as file:
        os.set_blocking(file.fileno(), False)
        expect(file.read(100), None, "nothing")
        write_on_cpu0(channel, FEW[:3])
        expect(file.read(10000), b"".join(FEW[:3]), "three lines")
        expect(file.read(100), None, "nothing again")


def loop(channel, wait):
    """Reads all there is each time wait() says so, while the channel is written."""
    fd = open_nonblocking(channel)
    got = bytearray()
    writer = Writer(channel, MANY)
    wait.register(fd)
    rounds = 0
    while not read_all_there_is(fd, got):
        wait.ready(fd)
        rounds += 1
    os.close(fd)
    expect(bytes(got), DATA, "what was read")
    expect_true(rounds > 5, f"it waited {rounds} times")
    writer.check()


class Select:
    """select.select()"""

    def register(self, fd):
        expect(select.select([fd], [], [], 0)[1:], ([], []), "select() at once")

    def ready(self, fd):
        expect(select.select([fd], [], [fd]), ([fd], [], []), "select()")


@test
def python_select():
    """select: all data of a channel that is written meanwhile"""
    loop(Channel(), Select())


class Poll:
    """select.poll()"""

    def register(self, fd):
        self.poll = select.poll()
        self.poll.register(fd, select.POLLIN)

    def ready(self, fd):
        [(which, events)] = self.poll.poll()
        expect(which, fd, "poll()")
        expect_true(events in (select.POLLIN, select.POLLHUP), f"events {events:#x}")


@test
def python_poll():
    """poll: all data of a channel that is written meanwhile"""
    loop(Channel(), Poll())


class Epoll:
    """select.epoll()"""

    def __init__(self, flags):
        self.flags = flags

    def register(self, fd):
        self.epoll = select.epoll()
        self.epoll.register(fd, select.EPOLLIN | self.flags)

    def ready(self, fd):
        [(which, events)] = self.epoll.poll()
        expect(which, fd, "epoll()")
        expect_true(events & (select.EPOLLIN | select.EPOLLHUP), f"events {events:#x}")


@test
def python_epoll_level():
    """epoll, level-triggered: all data of a channel that is written meanwhile"""
    loop(Channel(), Epoll(0))


@test
def python_epoll_edge():
    """epoll, edge-triggered: no edge is missing while a channel is written"""
    loop(Channel(), Epoll(select.EPOLLET))


@test
def python_epoll_states():
    """epoll: level repeats itself, an edge does not; both tell of the end"""
    with Channel() as channel:
        fds = [open_nonblocking(channel) for _ in range(2)]
        epolls = [select.epoll(), select.epoll()]
        for fd, epoll, flags in zip(fds, epolls, (0, select.EPOLLET)):
            epoll.register(fd, select.EPOLLIN | flags)
            expect(epoll.poll(0.05), [], "events of an empty channel")
        write_on_cpu0(channel, FEW[:1])
        for _ in range(3):
            expect(epolls[0].poll(), [(fds[0], select.EPOLLIN)], "level")
        expect(epolls[1].poll(), [(fds[1], select.EPOLLIN)], "the edge")
        expect(epolls[1].poll(0.2), [], "after the edge")
        write_on_cpu0(channel, FEW[1:2])
        expect(epolls[1].poll(), [(fds[1], select.EPOLLIN)], "the next edge")
        expect(os.read(fds[0], 1000), b"".join(FEW[:2]), "the data")
        expect(epolls[0].poll(0.05), [], "level when all was read")
        channel.close()
        expect(epolls[0].poll(), [(fds[0], select.EPOLLHUP)], "level at the end")
        expect(epolls[1].poll(), [(fds[1], select.EPOLLHUP)], "edge at the end")


@test
def python_selectors():
    """selectors: many channels in one loop"""
    channels = [Channel() for _ in range(5)]
    writers, got = [], {}
    with selectors.DefaultSelector() as selector:
        for number, channel in enumerate(channels):
            fd = open_nonblocking(channel)
            got[fd] = bytearray()
            selector.register(fd, selectors.EVENT_READ, number)
            writers.append(Writer(channel, lines(500, f"{number} ")))
        while selector.get_map():
            for key, _ in selector.select():
                if read_all_there_is(key.fd, got[key.fd]):
                    selector.unregister(key.fd)
                    expect(bytes(got[key.fd]), b"".join(lines(500, f"{key.data} ")), "data")
                    os.close(key.fd)
    for writer in writers:
        writer.check()


@test
def python_asyncio():
    """asyncio: add_reader, on a channel that is written meanwhile"""

    async def with_reader(channel):
        fd = open_nonblocking(channel)
        got, done = bytearray(), asyncio.Event()
        running = asyncio.get_running_loop()

        def readable():
            if read_all_there_is(fd, got):
                running.remove_reader(fd)
                done.set()

        running.add_reader(fd, readable)
        writer = Writer(channel, MANY)
        await done.wait()
        os.close(fd)
        writer.check()
        return bytes(got)

    expect(asyncio.run(with_reader(Channel())), DATA, "add_reader")


@test
def python_shares():
    """Children and duplicates of a descriptor go on where it is"""
    data = b"".join(FEW)
    with Channel() as channel:
        write_on_cpu0(channel, FEW)
        fd = os.open(channel.cpu(0), os.O_RDONLY)
        expect(os.read(fd, 100), data[:100], "the first")
        other = os.dup(fd)
        expect(os.read(other, 100), data[100:200], "of the duplicate")
        child = os.fork()
        if not child:
            os._exit(os.read(fd, 100) != data[200:300])  # pylint: disable=protected-access
        expect(os.waitpid(child, 0)[1], 0, "status of the child")
        expect(os.read(fd, 100), data[300:400], "after the child")
        # To somebody else, through a socket.
        ours, theirs = socket.socketpair()
        socket.send_fds(ours, [b"x"], [fd])
        _, fds, _, _ = socket.recv_fds(theirs, 1, 1)
        expect(os.read(fds[0], 100), data[400:500], "of the one that was sent")
        for one in (fd, other, *fds):
            os.close(one)
        ours.close()
        theirs.close()


@test
def python_interrupted():
    """A signal's handler can end a read that waits; what comes then is read the next time"""

    class Enough(Exception):
        """What the handler raises."""

    def handler(*_):
        raise Enough

    with Channel() as channel, open(channel.cpu(0), "rb", buffering=0) as file:
        before = signal.signal(signal.SIGUSR1, handler)
        timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGUSR1))
        timer.start()
        try:
            file.read(100)
            raise Wrong("it read something")
        except Enough:
            pass
        finally:
            signal.signal(signal.SIGUSR1, before)
        write_on_cpu0(channel, FEW[:1])
        expect(file.read(1000), FEW[0], "afterwards")
