#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A kernel that was booted with lockdown=, or with module.sig_enforce: it refuses relayfs, which no key it trusts
# has signed, with the words that README.md explains. For guests of its own, without relayfs.
#
#	lockdown_boot.sh RELAYFS.KO

. "$(dirname "$0")/lib.sh"

LOCKDOWN=/sys/kernel/security/lockdown
ko=$1

# refusal COMMAND...: what it says is wrong
refusal() {
	"$@" 2>&1 | sed 's/.*: //'
}

# logged WORDS: so does the kernel; which says no more than ten such things in five seconds, and does so while it
# starts: then it is asked again.
logged() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		dmesg | grep -q "$1" && return
		sleep 1
		insmod "$ko" 2>/dev/null
	done
	dmesg | tail -n 5 | sed 's/^/# /'
	return 1
}

mount -t securityfs security /sys/kernel/security 2>/dev/null
level=$(sed -n 's/.*lockdown=\([a-z]*\).*/\1/p' /proc/cmdline)
if [ "$level" ]; then
	error="Operation not permitted"
	words="Lockdown: insmod: unsigned module loading is restricted"
else
	level=none
	error="Key was rejected by service"
	words="Loading of unsigned module is rejected"
fi

plan 5
check "the kernel's lockdown is: $level" grep -q "\[$level\]" $LOCKDOWN
check "relayfs is refused: $error" equal "$(refusal insmod "$ko")" "$error"
check "the log says: $words" logged "$words"
check "nothing is there" not test -e $MOUNT
check "mount does not know it" equal "$(refusal mount -t relayfs relayfs /tmp)" "No such device"
finish
