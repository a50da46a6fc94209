#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Loading and unloading: refused while in use, complete otherwise.

. "$(dirname "$0")/lib.sh"

loaded() {
	grep -q "^$1 " /proc/modules
}

hello=
for ko in ./hello.ko /t/hello.ko; do
	[ -e $ko ] && hello=$ko
done
[ "$hello" ] || skip_all "no hello.ko"
rmmod_clients

plan 15
check "loaded and mounted" grep -q " $MOUNT relayfs " /proc/mounts
check "rmmod is refused while mounted" not rmmod relayfs
check "still there" loaded relayfs

insmod $hello
umount $MOUNT
check "rmmod is refused while a client has a channel" not rmmod relayfs
mount -t relayfs relayfs $MOUNT
exec 3<$MOUNT/hello
check "a client unloads while its file is open" rmmod hello
check "its files are gone" test ! -e $MOUNT/hello
umount -l $MOUNT
check "rmmod is refused while a file is open" not rmmod relayfs
check "the open file ends" sh -c 'cat <&3 >/dev/null'
exec 3<&-
sleep 1

check "rmmod" rmmod relayfs
check "the mount point is gone" test ! -e $MOUNT
check "the file system is gone" not grep -qw relayfs /proc/filesystems

d=$(mktemp -d)
check "mount loads the module" mount -t relayfs relayfs "$d"
check "it is loaded" loaded relayfs
umount "$d"
rmdir "$d"
for _ in 1 2 3 4 5; do
	rmmod relayfs && modprobe relayfs
done
check "again and again" loaded relayfs
check "mounts where it should" mount -t relayfs relayfs $MOUNT

for ko in ./relayfs_test.ko /t/relayfs_test.ko; do
	[ -e $ko ] && insmod $ko
done
finish
