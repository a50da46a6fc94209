#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A kernel that is locked down, first for integrity, then for confidentiality. That cannot be undone, so it
# runs in a guest of its own, and by itself only. Modules are loaded before: these are not signed.

. "$(dirname "$0")/lib.sh"

LOCKDOWN=/sys/kernel/security/lockdown

load() {
	for folder in . ./relayfs /t; do
		[ -e "$folder/$1.ko" ] && insmod "$folder/$1.ko" ${2:+"$2"} && return
	done
}

# opens FILE: what there is to say about that, or nothing
opens() {
	(exec 3<"$1") 2>&1 | sed 's/.*: //'
}

# tells LEVEL: that is the one
tells() {
	grep -q "\[$1\]" $LOCKDOWN
}

mount -t securityfs security /sys/kernel/security 2>/dev/null
[ -e $LOCKDOWN ] || skip_all "no CONFIG_SECURITY_LOCKDOWN_LSM, or not in lsm="
tells none || skip_all "it is locked down already"

[ -d /sys/module/relayfs_test ] || load relayfs_test
load relayfs_events || skip_all "no relayfs_events.ko"
load relayfs_files stays=1
load hello
load relayfs_callbacks

files="hello hello.d/cpu0 hello.d/info .channels files_stay/own files_stay/default"
metadata=$(cd $MOUNT && find . -name metadata | head -n 1)

plan 34
check "there is a file with metadata" test "$metadata"
for file in $files "$metadata"; do
	check "$file opens" equal "$(opens "$MOUNT/$file")" ""
done

echo integrity >$LOCKDOWN
check "the kernel is locked down for integrity" tells integrity
for file in $files "$metadata"; do
	check "$file opens all the same" equal "$(opens "$MOUNT/$file")" ""
done
for test in open_test read_test poll_test mmap_test ioctl_test observe_test; do
	check "$test passes" sh -c "./$test >/tmp/$test.log || { grep -v '^# *OK' /tmp/$test.log; false; }"
done
check "modules that are not signed do not load" not load duplex

exec 4<$MOUNT/hello 5<$MOUNT/hello.d/info
echo confidentiality >$LOCKDOWN
check "the kernel is locked down for confidentiality" tells confidentiality
for file in $files "$metadata"; do
	check "$file does not open" equal "$(opens "$MOUNT/$file")" "Operation not permitted"
done
check "what was open goes on" sh -c "head -n 1 <&4 | grep -q ."
check "a directory is listed" sh -c "ls $MOUNT/hello.d | grep -q cpu0"
check "and mounted" sh -c "umount -l $MOUNT && mount -t relayfs relayfs $MOUNT"
finish
