#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A client by the names of 2003: what it tests is in tests/modules/relayfs_2003.c, when it is loaded.

. "$(dirname "$0")/lib.sh"

client=
for ko in ./relayfs_2003.ko /t/relayfs_2003.ko; do
	[ -e $ko ] && client=$ko
done
[ "$client" ] || skip_all "no relayfs_2003.ko"

plan 2
check "it does what it did" insmod "$client"
rmmod relayfs_2003 2>/dev/null
check "no file is left" test ! -e $MOUNT/2003
[ $failures = 0 ] || dmesg | tail -20 | sed 's/^/# /'
finish
