# SPDX-License-Identifier: GPL-2.0
"""judge.py BUGS BOOT LOG: did each bug of BOOT make its checker speak up in the kernel's LOG, and
would a test run have failed for it? Prints TAP; status 1 if one did not.
"""

import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../qemu"))
import watch  # noqa: E402

MARK = b"relayfs-guest: bug "


def bugs_of(path, boot):
    with open(path, encoding="ascii") as lines:
        rows = [line.split(None, 3) for line in lines if line.strip() and line[0] != "#"]
    return [(module, bug, text.strip()) for where, module, bug, text in rows if where == boot]


def judge(part, text):
    """What is wrong, or None."""
    if part is None:
        return "the guest did not come to it"
    splat = watch.find_splats(part)
    if text == "-":
        return splat and "a report where none is due: " + splat[0].decode(errors="replace")
    if not re.search(text.encode(), part):
        return "no report like: " + text
    return None if splat else "reported, but no test run would fail for it"


def main():
    path, boot, log_path = sys.argv[1:]
    with open(log_path, "rb") as log:
        parts = log.read().replace(b"\r", b"").split(MARK)[1:]
    # A part's first line names the bug.
    found = {tuple(part.split(b"\n", 1)[0].decode().split()): part for part in parts}
    failures = 0
    for number, (module, bug, text) in enumerate(bugs_of(path, boot), 1):
        wrong = judge(found.get((module, bug)), text)
        print(f"{'not ok' if wrong else 'ok'} {number} {boot}: {module} {bug}: {text}")
        if wrong:
            print("# " + wrong)
            failures += 1
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
