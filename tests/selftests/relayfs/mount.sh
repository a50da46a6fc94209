#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Mounting: options, remount, several mounts of one tree, ownership that follows the options.

. "$(dirname "$0")/lib.sh"

d=$(mktemp -d)
trap 'umount "$d" 2>/dev/null; rmdir "$d"' EXIT

options() {
	sed -n "s,^relayfs $d relayfs \([^ ]*\) .*,\1,p" /proc/mounts
}

mode() {
	stat -c '%a %u %g' "$1"
}

# fails_with TEXT COMMAND...
fails_with() {
	text=$1
	shift
	if said=$("$@" 2>&1); then
		echo "# succeeded: $*"
		return 1
	fi
	case $said in
	*"$text"*) ;;
	*)
		echo "# said '$said', expected '$text'"
		return 1
		;;
	esac
}

# unit KEY: what systemd's unit says; it lies beside the tests
unit() {
	sed -n "/^\[Mount\]/,/^\[Install\]/s/^$1=//p" "$(dirname "$0")/sys-kernel-relay.mount"
}

modprobe relayfs 2>/dev/null
plan 31

check "listed in /proc/filesystems" grep -qw relayfs /proc/filesystems
check "mount point exists" test -d $MOUNT
umount $MOUNT 2>/dev/null

check "mounts" mount -t relayfs relayfs "$d"
check "default options" equal "$(options)" rw,relatime
check "default ownership" equal "$(mode "$d")" "700 0 0"
check "magic" equal "$(stat -f -c %t "$d")" 26f82121
umount "$d"

check "mounts with options" mount -t relayfs -o mode=0750,uid=7,gid=9 relayfs "$d"
check "options are shown" equal "$(options)" rw,relatime,uid=7,gid=9,mode=750
check "the root follows" equal "$(mode "$d")" "750 7 9"

insmod_hello() {
	for ko in ./hello.ko /t/hello.ko; do
		[ -e $ko ] && insmod $ko && return
	done
}
check "a client opens a channel" insmod_hello
check "its files follow" equal "$(mode "$d/hello")" "440 7 9"
check "its directory follows" equal "$(mode "$d/hello.d")" "750 7 9"
check "remounts" mount -o remount,gid=11 "$d"
check "a remount changes what it names" equal "$(mode "$d/hello")" "440 7 11"
check "a second mount shows the same tree" mount -t relayfs relayfs $MOUNT
check "... and changes nothing" equal "$(mode "$MOUNT/hello")" "440 7 11"
umount $MOUNT
umount "$d"
check "channels live without a mount" mount -t relayfs relayfs "$d"
check "... and keep their files" test -e "$d/hello"
rmmod hello
umount "$d"

check "the first mount may be read-only" mount -t relayfs -o ro relayfs "$d"
check "a client opens a channel there all the same" insmod_hello
check "a second mount is not" mount -t relayfs relayfs $MOUNT
check "... but for changes" chmod 0440 $MOUNT/hello
check "while in the first there are none" fails_with "Read-only" chmod 0400 "$d/hello"
rmmod hello
umount $MOUNT
umount "$d"

check "unknown option" fails_with "Invalid argument" mount -t relayfs -o bogus=1 relayfs "$d"
check "bad mode" fails_with "Invalid argument" mount -t relayfs -o mode=8 relayfs "$d"
check "mode beyond 0777" fails_with "Invalid argument" mount -t relayfs -o mode=4755 relayfs "$d"
check "bad uid" fails_with "Invalid argument" mount -t relayfs -o uid=me relayfs "$d"

# As systemd mounts it, which wants the unit's name to be the path.
where=$(unit Where)
check "the unit is named after its mount point" equal "$where" "$(echo /sys-kernel-relay | tr - /)"
check "... which the module makes" test -d "$where"
check "it can be mounted so" mount -t "$(unit Type)" -o "$(unit Options)" "$(unit What)" "$where"
check "... with the options it says" equal \
	"$(sed -n "s|^relayfs $where relayfs rw,\(.*\),relatime .*|\1|p" /proc/mounts)" "$(unit Options)"
umount "$where"

mount -t relayfs relayfs $MOUNT
finish
