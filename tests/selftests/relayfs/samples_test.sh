#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Each sample loads, says what samples/README.md promises, and ends for its readers when it goes.

. "$(dirname "$0")/lib.sh"

t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT
[ -e ./hello.ko ] || cd /t || exit 1
[ -e ./hello.ko ] || skip_all "no samples"
modprobe relayfs 2>/dev/null

# read_all NAME: in the background, to its end
read_all() {
	cat "$MOUNT/$1" >"$t/$1" &
	reader=$!
}

# has NAME COUNT LINE: that many lines are LINE
has() {
	[ "$(grep -cx "$3" "$t/$1")" -ge "$2" ] || {
		sed 's/^/# /' "$t/$1" | head -n 20
		return 1
	}
}

plan 16
check "hello loads" insmod ./hello.ko
read_all hello
timeout 60 sh -c "until [ \$(wc -l <$t/hello) -ge 2 ]; do sleep 0.2; done"
check "hello unloads while it is read" rmmod hello
wait $reader
check "hello says its line again and again" has hello 2 "hello, world"
check "and nothing else" equal "$(sort -u "$t/hello")" "hello, world"

check "hello_rust loads" insmod ./hello_rust.ko
read_all hello_rust
sleep 1
check "hello_rust unloads while it is read" rmmod hello_rust
wait $reader
check "hello_rust says what was committed" equal "$(tr '\n' ' ' <"$t/hello_rust")" \
	"hello, world hello again goodbye "

check "klog loads" insmod ./klog.ko
read_all klog
echo "<6>a line for klog" >/dev/kmsg
timeout 60 sh -c "until grep -q 'a line for klog' $t/klog; do sleep 0.2; done"
cp $MOUNT/klog.d/info "$t/info"
check "klog unloads while it is read" rmmod klog
wait $reader
check "klog has what the kernel prints" grep -q "a line for klog" "$t/klog"
check "klog counts" grep -q "^total: produced [1-9]" "$t/info"

check "systrace loads" insmod ./systrace.ko
read_all systrace
/bin/true
sleep 1
cp $MOUNT/systrace.d/info "$t/info"
check "systrace unloads while it is read" rmmod systrace
wait $reader
check "systrace has recorded" grep -q "^total: produced [1-9]" "$t/info"
check "its records were read" test -s "$t/systrace"
check "nothing of the samples is left" sh -c "! ls -d $MOUNT/hello* $MOUNT/klog* $MOUNT/systrace* 2>/dev/null"
finish
