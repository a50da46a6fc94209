#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Files of clients, for the administrator: who owns them, and what keeps the client's module.

. "$(dirname "$0")/lib.sh"

own=$MOUNT/files_stay

load() {
	for ko in ./relayfs_files.ko /t/relayfs_files.ko; do
		[ -e $ko ] && insmod $ko stays=1 && return
	done
}

mode() {
	stat -c '%a %u %g' "$1"
}

rmmod relayfs_files 2>/dev/null
umount $MOUNT
plan 17
check "a client loads without a mount" load
check "mounts" mount -t relayfs -o mode=0755,uid=7,gid=9 relayfs $MOUNT
check "its files are there" equal "$(cat $own/own)" stays
check "a directory follows the mount" equal "$(mode $own)" "755 7 9"
check "so does a file" equal "$(mode $own/default)" "444 7 9"
check "... but for a mode of its own" equal "$(mode $own/own)" "644 7 9"
check "remounts" mount -o remount,mode=0700,gid=0 $MOUNT
check "all follow" equal "$(mode $own) $(mode $own/default) $(mode $own/own)" \
	"700 7 0 400 7 0 644 7 0"

exec 3<$own/own
check "rmmod is refused while a file is open" not rmmod relayfs_files
check "it goes on" equal "$(cat <&3)" stays
exec 3<&-
check "output is redirected to a file" sh -c "echo changed >$own/own"
check "and is there" equal "$(cat $own/own)" changed
check "rmmod" rmmod relayfs_files
check "its files are gone" test ! -e $own
umount $MOUNT
check "nothing is kept" rmmod relayfs_test
rmmod_clients
check "... of relayfs either" rmmod relayfs
modprobe relayfs
check "mounts again" mount -t relayfs relayfs $MOUNT
for ko in ./relayfs_test.ko /t/relayfs_test.ko; do
	[ -e $ko ] && insmod $ko
done
finish
