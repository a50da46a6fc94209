# SPDX-License-Identifier: GPL-2.0
"""Tests as functions, and their results as TAP."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback

# Only what hangs is to end by time.
WATCHDOG = 120

# Those of busybox come first in the shell's mind.
os.environ["PATH"] = "/usr/bin:/sbin:/bin"
# Programs say the same everywhere.
os.environ["LC_ALL"] = "C"

TESTS = []


class Wrong(Exception):
    """What is not as it should be."""


def test(function):
    """The first line of its comment is what the test says."""
    TESTS.append(function)
    return function


def excerpt(value):
    text = repr(value)
    return text if len(text) < 300 else f"{text[:140]}...{text[-140:]}"


def expect(got, wanted, what):
    if got == wanted:
        return
    if isinstance(got, bytes) and isinstance(wanted, bytes):
        same = len(os.path.commonprefix([got, wanted]))
        what = f"{what}, {len(got)} bytes instead of {len(wanted)}, alike up to {same}"
        got, wanted = got[same:], wanted[same:]
    raise Wrong(f"{what}: {excerpt(got)} instead of {excerpt(wanted)}")


def expect_true(condition, what):
    if not condition:
        raise Wrong(what)


CHILDREN = []


def start(
    *command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
):
    """A program whose output is a pipe, and which does not outlive the test."""
    child = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, **options)
    CHILDREN.append(child)
    return child


def finish(child, status=0):
    """Its output. It ends by itself, with this status."""
    out, err = child.communicate()
    expect((child.returncode, err.decode() if child.returncode != status else ""), (status, ""),
           f"status of {child.args[0]}")
    return out


def output(*command, status=0, **options):
    return finish(start(*command, **options), status)


def end_children():
    while CHILDREN:
        child = CHILDREN.pop()
        if child.poll() is None:
            child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout, child.stderr):
            with contextlib.suppress(OSError):
                if stream:
                    stream.close()


def bark(*_):
    raise Wrong("it takes for ever")


def run_one(number, function):
    name = function.__doc__.splitlines()[0].rstrip(".")
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    signal.signal(signal.SIGALRM, bark)
    signal.alarm(WATCHDOG)
    try:
        function()
        print(f"ok {number} - {name}", flush=True)
        return True
    except Wrong as wrong:
        why = str(wrong)
    except Exception:  # pylint: disable=broad-except
        why = traceback.format_exc()
    finally:
        signal.alarm(0)
        end_children()
        os.chdir("/")
        shutil.rmtree(folder)
    print(f"not ok {number} - {name}")
    print("".join(f"# {line}\n" for line in why.splitlines()), end="", flush=True)
    return False


def main():
    """All tests that were defined, or those with an argument in their name."""
    wanted = [
        t for t in TESTS if len(sys.argv) < 2 or any(a in t.__name__ for a in sys.argv[1:])
    ]
    print(f"1..{len(wanted)}")
    results = [run_one(number, function) for number, function in enumerate(wanted, 1)]
    sys.exit(not all(results))
