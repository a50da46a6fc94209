# SPDX-License-Identifier: GPL-2.0
"""Programs of every system, unchanged: what they make of a channel is what was written to it."""

import os
import re
import signal
import socket
import subprocess

from channel import Channel, RELAY_USAGE_GLOBAL, Writer, line, lines
from tap import Wrong, expect, expect_true, finish, output, start, test

# More than the buffer has room for: it goes round several times.
MANY = lines(4000)
# All of it fits.
FEW = lines(500)


def whole(records):
    return b"".join(records)


def filled(records=FEW):
    """A channel that holds these, and gets no more."""
    channel = Channel()
    writer = Writer(channel, records, close=False)
    writer.join()
    writer.check()
    return channel


def while_written(*command, records=None, **options):
    """The output of a program that reads while a channel is written; {} is the channel."""
    channel = Channel()
    command = [word.replace("{}", channel.cpu(0)) for word in command]
    with open(channel.cpu(0), "rb") as stdin:
        child = start(*command, stdin=stdin, **options)
        writer = Writer(channel, records or MANY)
        out = finish(child)
    writer.check()
    return out


@test
def cat():
    """cat gives all that is written, up to the end of the channel"""
    expect(while_written("cat", "{}"), whole(MANY), "cat FILE")
    expect(while_written("cat"), whole(MANY), "cat <FILE")


@test
def cat_all_cpus():
    """cat of the whole channel: no line is cut by another, those of each CPU are in order"""
    cpus = sorted(os.sched_getaffinity(0))
    channel = Channel()
    with open("all", "wb") as copy:
        child = start("cat", channel.whole, stdout=copy)
    tags = [f"cpu{cpu} " for cpu in cpus]
    writers = [
        Writer(channel, lines(2000, tag), cpu, close=False) for cpu, tag in zip(cpus, tags)
    ]
    for writer in writers:
        writer.join()
        writer.check()
    channel.close()
    finish(child)
    with open("all", "rb") as copy:
        got = copy.readlines()
    for tag in tags:
        mine = [text for text in got if text.startswith(tag.encode())]
        expect(whole(mine), whole(lines(2000, tag)), f"lines of {tag}")
    expect(len(got), 2000 * len(cpus), "number of lines")


@test
def cat_info():
    """cat and grep of info"""
    with filled() as channel:
        text = output("cat", f"{channel.whole}.d/info").decode()
        size = len(whole(FEW))
        expect_true(f"total: produced {len(FEW)} {size} read 0 0" in text, text)
        expect(output("grep", "-c", "^cpu", f"{channel.whole}.d/info"), b"%d\n" % os.cpu_count(),
               "rows of CPUs")


@test
def head_bytes():
    """head -c takes just so many bytes, and who comes next gets what follows"""
    data = whole(FEW)
    with filled() as channel:
        expect(output("head", "-c", "1000", channel.cpu(0)), data[:1000], "the first")
        expect(output("head", "-c", "7", channel.cpu(0)), data[1000:1007], "the second")
        rest = start("cat", channel.cpu(0))
        expect(rest.stdout.read(len(data) - 1007), data[1007:], "the rest")
    finish(rest)


@test
def head_waits():
    """head -c waits until as much was written as it wants"""
    with Channel() as channel:
        child = start("head", "-c", "600", channel.whole)
        wanted = whole(lines(20))[:600]
        for number in range(20):
            channel.write(line(number))
        expect(finish(child), wanted, "head -c 600")


@test
def head_lines():
    """head -n gives the first lines of a channel that goes on"""
    with filled() as channel:
        expect(output("head", "-n", "5", channel.cpu(0)), whole(FEW[:5]), "head -n 5")


@test
def tail_of_all():
    """tail -n and tail -c give the end, once the channel has one"""
    expect(while_written("tail", "-n", "5", "{}"), whole(MANY[-5:]), "tail -n 5")
    expect(while_written("tail", "-c", "777", "{}"), whole(MANY)[-777:], "tail -c 777")
    expect(while_written("tail", "-n", "+3", "{}"), whole(MANY[2:]), "tail -n +3")


@test
def tail_follows():
    """tail -f -n +1 shows each line before the next is written"""
    # To a pipe, it would collect 4 KiB.
    follow("stdbuf", "-oL", "tail", "-f", "-n", "+1", "{}")


@test
def grep_follows():
    """grep --line-buffered shows each line that matches before the next is written"""
    follow("grep", "--line-buffered", "[02468] ", "{}", only=re.compile(rb"[02468] "))


@test
def busybox_reads_lines():
    """A shell's read takes lines one by one, before the next is written"""
    script = 'while read -r line; do echo "$line"; done <"$0"'
    follow("/bin/busybox", "sh", "-c", script, "{}")


def follow(*command, only=re.compile(b"")):
    """Each line of a live channel comes out before the next is written, without a full buffer."""
    with Channel() as channel:
        child = start(*(word.replace("{}", channel.cpu(0)) for word in command), bufsize=0)
        for number in range(30):
            text = line(number)
            channel_write(channel, text)
            if only.search(text):
                expect(child.stdout.readline(), text, f"line {number}")
        expect(child.poll(), None, f"status of {command[0]}, which is to go on")
        child.send_signal(signal.SIGTERM)
        child.wait()


def channel_write(channel, data):
    """On CPU 0: not all test programs read the others."""
    writer = Writer(channel, [data], close=False)
    writer.join()
    writer.check()


@test
def dd_block_sizes():
    """dd gives the same whatever its block size"""
    for size in ("1", "100", "4096", "65536", "1M"):
        records = FEW if size == "1" else MANY
        out = while_written("dd", "if={}", f"bs={size}", "status=none", records=records)
        expect(out, whole(records), f"dd bs={size}")


@test
def dd_fullblock():
    """dd iflag=fullblock makes full blocks of short reads, count= takes just these"""
    data = whole(MANY)
    channel = Channel()
    child = start("dd", f"if={channel.cpu(0)}", "bs=10000", "iflag=fullblock", "count=7")
    writer = Writer(channel, MANY, close=False)
    out, err = child.communicate()
    expect((child.returncode, err.decode().splitlines()[0]), (0, "7+0 records in"), "dd")
    expect(out, data[:70000], "the first seven blocks")
    rest = start("cat", channel.cpu(0))
    expect(rest.stdout.read(len(data) - 70000), data[70000:], "what dd left")
    writer.check()
    channel.close()


@test
def dd_nonblock():
    """dd iflag=nonblock takes what there is, and is refused when there is nothing"""
    with filled() as channel:
        command = ("dd", f"if={channel.cpu(0)}", "bs=4096", "iflag=nonblock")
        for wanted in (whole(FEW), b""):
            child = start(*command)
            out, err = child.communicate()
            expect((child.returncode, b"temporarily unavailable" in err), (1, True), "dd at the end")
            expect(out, wanted, "what there was")


@test
def tee_copies():
    """tee gives the same to all"""
    out = while_written("tee", "one", "two")
    for name in ("one", "two"):
        with open(name, "rb") as file:
            expect(file.read(), whole(MANY), name)
    expect(out, whole(MANY), "output")


@test
def wc_counts():
    """wc counts lines, words and bytes"""
    data = whole(MANY)
    wanted = [len(MANY), len(data.split()), len(data)]
    expect(list(map(int, while_written("wc").split())), wanted, "wc")
    # It may believe what stat() says.
    expect(while_written("wc", "-c").split(), [b"%d" % len(data)], "wc -c")


@test
def cp_copies():
    """cp copies what is written, up to the end of the channel"""
    while_written("cp", "{}", "copy")
    with open("copy", "rb") as file:
        expect(file.read(), whole(MANY), "the copy")
    # It looks at size and blocks of what is there.
    channel = filled()
    child = start("cp", channel.cpu(0), "again")
    while channel.count("unread")[0]:
        pass
    channel.close()
    finish(child)
    with open("again", "rb") as file:
        expect(file.read(), whole(FEW), "the copy of what was there")


@test
def split_splits():
    """split makes files of so many lines each"""
    while_written("split", "-l", "1000", "{}", "part.")
    for number, name in enumerate(sorted(os.listdir("."))):
        with open(name, "rb") as file:
            expect(file.read(), whole(MANY[number * 1000:(number + 1) * 1000]), name)
    expect(len(os.listdir(".")), 4, "files")


@test
def pv_passes():
    """pv passes everything on, with splice(2) and without"""
    expect(while_written("pv", "-q", "{}"), whole(MANY), "pv")
    expect(while_written("pv", "-q", "-C", "{}"), whole(MANY), "pv without splice")
    expect(while_written("pv", "-q"), whole(MANY), "pv <FILE")


@test
def socat_to_socket():
    """socat carries a channel to a socket"""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        server.listen()
        channel = Channel()
        child = start("socat", "-u", f"OPEN:{channel.cpu(0)},rdonly", "UNIX-CONNECT:socket")
        writer = Writer(channel, MANY)
        peer, _ = server.accept()
        with peer, peer.makefile("rb") as stream:
            expect(stream.read(), whole(MANY), "what came")
        finish(child)
        writer.check()


@test
def socat_duplex():
    """socat talks to kernel code through a duplex channel, as to a socket"""
    output("insmod", "/t/duplex.ko")
    try:
        child = start("socat", "-", "OPEN:/sys/kernel/relay/duplex,rdwr",
                      stdin=subprocess.PIPE, bufsize=0)
        for question, answer in ((b"ping", b"pong"), (b"echo are you there", b"are you there")):
            child.stdin.write(question + b"\n")
            expect(child.stdout.readline(), answer + b"\n", question)
        child.kill()
        child.wait()
    finally:
        output("rmmod", "duplex")


@test
def signals_end_programs():
    """A signal ends a program that waits for data, and nothing is lost by that"""
    with Channel() as channel:
        child = start("timeout", "--signal=INT", "0.5", "cat", channel.cpu(0))
        expect(finish(child, 124), b"", "timeout cat")
        channel_write(channel, line(1))
        expect(output("head", "-c", str(len(line(1))), channel.cpu(0)), line(1), "afterwards")


@test
def echo_writes():
    """A shell's echo and dd write to a channel that lets users write, a record each"""
    channel = Channel(mode=0o600, flags=RELAY_USAGE_GLOBAL)
    script = 'echo one >"$0"; echo two >>"$0"; dd if=/dev/zero of="$0" bs=100 count=3 conv=notrunc'
    child = start("/bin/busybox", "sh", "-c", script, channel.whole)
    finish(child)
    expect(channel.count("produced"), (5, 308), "records, bytes")
    reader = start("cat", channel.whole)
    expect(reader.stdout.read(308), b"one\ntwo\n" + bytes(300), "what was written")
    channel.close()


@test
def strace_sees():
    """strace shows reads of the sizes that were asked for, and an end"""
    out = while_written("strace", "-e", "trace=read", "-e", "signal=none", "-o", "log",
                        "dd", "if={}", "bs=3000", "status=none")
    expect(out, whole(MANY), "dd below strace")
    with open("log", encoding="ascii") as log:
        sizes = [int(n) for n in re.findall(r"3000\)\s+= (\d+)$", log.read(), re.M)]
    expect((sum(sizes), sizes[-1]), (len(out), 0), "bytes in all, the last read")
    if max(sizes) != 3000:
        raise Wrong("no read was full")
