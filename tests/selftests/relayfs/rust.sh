#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The API for clients in Rust: the tests are in tests/modules/relayfs_rust.rs, and run as it is loaded.

. "$(dirname "$0")/lib.sh"

test=
for ko in ./relayfs_rust.ko /t/relayfs_rust.ko; do
	[ -e $ko ] && test=$ko
done
[ "$test" ] || skip_all "no relayfs_rust.ko"

# said NAME: the module's last word about a test
said() {
	dmesg | sed -n "s/.*relayfs_rust: $1: //p" | tail -1
}

write() {
	echo "$1" 2>/dev/null >$MOUNT/rust_files/answer
}

insmod $test
loaded=$?
names="writing attributes accounts keeping resizing callbacks locking speaking_for_a_mapping"
plan 17
for name in $names; do
	check "$name" equal "$(said $name)" ok
done
check "it is loaded" equal $loaded 0
check "a file shows" equal "$(cat $MOUNT/rust_files/answer)" 42
check "and one beside a channel" equal "$(cat $MOUNT/rust_channel.d/answer)" 43
check "what is written is stored" write " 44 "
check "and shown" equal "$(cat $MOUNT/rust_files/answer)" 44
check "what is wrong is refused" not write forty-five
rmmod relayfs_rust 2>/dev/null
check "its files are gone" test ! -e $MOUNT/rust_files
check "and its channel" test ! -e $MOUNT/rust_channel.d
check "no file is left" test ! -e $MOUNT/rust
[ $failures = 0 ] || dmesg | grep relayfs_rust | tail -20 | sed 's/^/# /'
finish
