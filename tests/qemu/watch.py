# SPDX-License-Identifier: GPL-2.0
"""Run a guest and judge it: pass on its output, find its verdict, read its log.

Started by boot, in the toolchain root. The guest's output is read from the file
QEMU writes it to and not from a pipe: a slow reader of ours must not stop the
guest, whose time would go on.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import termios
import time

FAILED = 99
POLL = 0.02
# From the verdict to the end of QEMU.
POWER_OFF_TIME = 20
INIT_STARTED = b"relayfs-guest: init started"

SPLAT = re.compile(
    rb"\b(?:BUG|WARNING|KASAN|KCSAN|KMSAN|UBSAN|KFENCE):"
    rb"|-\[ cut here \]-"
    rb"|kernel BUG at|\bOops\b|general protection fault|Kernel panic|double fault|stack segment"
    rb"|panicked at"
    rb"|INFO: task .* blocked|INFO: rcu\S* .*stall|rcu: INFO: .*(?:stall|expedited)"
    rb"|(?:self-)?detected stall|soft lockup|hard LOCKUP|workqueue lockup"
    rb"|possible (?:circular|recursive|irq lock|deadlock)|inconsistent lock state"
    rb"|suspicious RCU usage|INFO: trying to register non-static key"
    rb"|bad unlock balance|held lock freed|lock held when returning to user space"
    rb"|INFO: lockdep is turned off"
    rb"|refcount_t: |list_(?:add|del) corruption|detected buffer overflow"
    rb"|relayfs-guest: leak: "
)
# A report of KCSAN, and a function in one of its stacks.
RACE = re.compile(rb"BUG: KCSAN: .*?(?:\n[^\n]*={40}|\Z)", re.S)
FRAME = re.compile(rb"  (\S+)\+0x[0-9a-f]+/0x[0-9a-f]+( \[\w+\])?$")
# Reads a clock while that is set, and then once more: so it is made to be used from NMIs.
MEANT_TO_RACE = re.compile(rb"ktime_get_\w*fast_ns / timekeeping_|timekeeping_\S* / ktime_get_\w*fast_ns")
SPLAT_LINES = 45
LOG_TAIL = 30


class Splitter:
    """Tells the guest's output from the verdict that follows it."""

    def __init__(self, token):
        self.token = token
        self.held = b""
        self.verdict = None

    def feed(self, data):
        """Take more of the stream, return what of it is surely output."""
        self.held += data
        at = self.held.find(self.token)
        if at < 0:
            # The end may be the token's beginning.
            keep = len(self.token) - 1
            while not self.held.endswith(self.token[:keep]):
                keep -= 1
            at = len(self.held) - keep
        output, self.held = self.held[:at], self.held[at:]
        self.verdict = find_verdict(self.token, self.held)
        return output


def find_verdict(token, data):
    """The rest of the line that starts with the token, if it is complete."""
    found = re.search(re.escape(token) + rb" ([^\n]*)\n", data)
    return found and found.group(1).decode(errors="replace").strip()


class Guest:
    """QEMU, its two serial ports, and what they said."""

    def __init__(self, args):
        self.args = args
        self.token = args.token.encode()
        self.log_path = os.path.join(args.work, "log")
        self.output_path = os.path.join(args.work, "output")
        self.verdict = None
        self.timed_out = False
        self.qemu = None

    def start(self):
        for path in (self.log_path, self.output_path):
            open(path, "wb").close()
        stdin = None if self.args.interactive else subprocess.DEVNULL
        # QEMU goes when we go, however we go.
        self.qemu = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL"] + self.args.qemu, stdin=stdin
        )

    def stop(self):
        if self.qemu and self.qemu.poll() is None:
            self.qemu.kill()
            self.qemu.wait()

    def watch(self):
        """Pass on the output until QEMU ends or time is up."""
        deadline = time.monotonic() + self.args.timeout
        splitter = Splitter(self.token)
        with open(self.output_path, "rb") as output:
            while True:
                # In this order: what QEMU wrote last is not to be missed.
                ended = self.qemu.poll() is not None
                data = output.read(1 << 20)
                if data:
                    write_all(splitter.feed(data))
                elif ended:
                    break
                elif time.monotonic() > deadline:
                    self.timed_out = self.verdict is None
                    self.stop()
                else:
                    time.sleep(POLL)
                if splitter.verdict and not self.verdict:
                    self.verdict = splitter.verdict
                    deadline = time.monotonic() + POWER_OFF_TIME
        if not self.verdict:
            write_all(splitter.held)

    def interact(self):
        """QEMU has the terminal; the verdict is in the log."""
        terminal = termios.tcgetattr(0)
        try:
            self.qemu.wait()
        finally:
            self.stop()
            termios.tcsetattr(0, termios.TCSADRAIN, terminal)
        self.verdict = find_verdict(self.token, self.log())

    def log(self):
        with open(self.log_path, "rb") as log:
            return log.read().replace(b"\r", b"")


def write_all(data):
    while data:
        data = data[os.write(1, data) :]


def is_of_a_module(race):
    """Whether one of the accesses that raced was made by a module, or on its behalf."""
    if MEANT_TO_RACE.search(race):
        return False
    interrupted = False
    for line in race.split(b"\n"):
        frame = FRAME.search(line)
        if not frame:
            interrupted = False
        elif frame.group(2) and not interrupted:
            return True
        elif frame.group(1).startswith(b"asm_"):
            # What follows was interrupted, and is not to be blamed.
            interrupted = True
    return False


def without_races_of_others(log):
    """The log without data races that are the kernel's own, and how many of them it had."""
    count = 0

    def judged(race):
        nonlocal count
        if is_of_a_module(race.group()):
            return race.group()
        count += 1
        return b""

    return RACE.sub(judged, log), count


def find_splats(log):
    """The lines of the log around every splat since init started, or None."""
    lines = log[log.find(INIT_STARTED) if INIT_STARTED in log else 0 :].split(b"\n")
    hits = [n for n, line in enumerate(lines) if SPLAT.search(line)]
    if not hits:
        return None
    # "cut here" only announces the line that says what it is.
    telling = [n for n in hits if b"cut here" not in lines[n]] or hits
    excerpt, shown = [], -1
    for hit in hits:
        if hit > shown:
            excerpt += lines[max(shown + 1, hit - 2) : hit + SPLAT_LINES]
            shown = hit + SPLAT_LINES - 1
    return lines[telling[0]], excerpt[: 4 * SPLAT_LINES]


def keep_log(args, log):
    """Save the log where it outlives the work folder, return that place's name."""
    if args.log_name:
        return args.log_name
    folder = os.path.join(os.environ["RELAYFS_CACHE"], "log")
    path = os.path.join(folder, time.strftime("qemu-%Y%m%d-%H%M%S-") + f"{os.getpid()}.log")
    with open(path, "wb") as kept:
        kept.write(log)
    for old in sorted(name for name in os.listdir(folder) if name.startswith("qemu-"))[:-20]:
        os.unlink(os.path.join(folder, old))
    return path


def unpack(guest):
    """Put what the guest sent into the folders it is meant for; say what went wrong, if so."""
    outer = os.path.join(guest.args.work, "fetched")
    try:
        with tarfile.open(outer) as archives:
            for n, fd in enumerate(guest.args.fetch_fds.split()):
                with tarfile.open(fileobj=archives.extractfile(f"./{n}.tar")) as archive:
                    archive.extractall(f"/proc/self/fd/{fd}", filter="data")
    except (tarfile.TarError, KeyError, OSError) as error:
        return f"fetching: {error}"
    return None


def judge(guest):
    """The exit status; says on stderr what is not the command's own doing."""
    log = guest.log()
    judged, races = without_races_of_others(log)
    if races:
        print(f"qemu/run: {races} data race(s) of the kernel's own are in the log", file=sys.stderr)
    splat = find_splats(judged)
    if splat:
        reason, excerpt = "kernel splat: " + splat[0].decode(errors="replace"), splat[1]
    else:
        reason, excerpt = judge_verdict(guest), log.split(b"\n")[-LOG_TAIL:]
    if isinstance(reason, int):
        return reason
    where = keep_log(guest.args, log)
    text = b"\n".join(excerpt).decode(errors="replace")
    print(f"qemu/run: FAILED: {reason}\n{text}", file=sys.stderr)
    if splat:
        outcome = judge_verdict(guest)
        print(f"qemu/run: without the splat: {outcome}", file=sys.stderr)
    print(f"qemu/run: the kernel log is in {where}", file=sys.stderr)
    return FAILED


def judge_verdict(guest):
    """The command's status, or why there is none."""
    if guest.verdict:
        kind, _, value = guest.verdict.partition(" ")
        if kind == "status":
            error = unpack(guest) if guest.args.fetch_fds else None
            return error or int(value)
        return f"the guest's set-up: {value}"
    if guest.timed_out:
        return f"no verdict within {guest.args.timeout} s"
    return f"the guest ended without a verdict (QEMU's status {guest.qemu.returncode})"


def parse_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--timeout", type=int, required=True)
    parser.add_argument("--log-fd", type=int)
    parser.add_argument("--log-name")
    parser.add_argument("--fetch-fds", default="")
    parser.add_argument("--interactive", action="store_true")
    parser.add_argument("qemu", nargs="+")
    return parser.parse_args()


def main():
    args = parse_args()

    def on_signal(number, _frame):
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    guest = Guest(args)
    try:
        guest.start()
        if args.interactive:
            guest.interact()
        else:
            guest.watch()
        status = judge(guest)
    except BrokenPipeError:
        # Nobody reads any more: end as a writer to a pipe does.
        status = 128 + signal.SIGPIPE
    finally:
        guest.stop()
        if args.log_fd is not None:
            with os.fdopen(args.log_fd, "wb") as kept:
                kept.write(guest.log())
        shutil.rmtree(args.work, ignore_errors=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
