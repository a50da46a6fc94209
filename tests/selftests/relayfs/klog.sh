#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The klog sample: every printk exactly once, from all CPUs at once; and exact counts when the
# buffers are too small.

. "$(dirname "$0")/lib.sh"

klog=
for ko in ./klog.ko /t/klog.ko; do
	[ -e $ko ] && klog=$ko
done
[ "$klog" ] || skip_all "no klog.ko"

t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT
# Refused if the command line has said so already.
echo on >/proc/sys/kernel/printk_devkmsg 2>/dev/null
if [ "$(cat /proc/sys/kernel/printk_devkmsg)" != on ]; then
	skip_all "/dev/kmsg is rate-limited"
fi
console=$(cut -f1 /proc/sys/kernel/printk)
dmesg -n 1
writers=4
# Less where the kernel is slow.
markers=$((writers * 2500 * ${RELAYTEST_SCALE:-100} / 100))
cpus=$(grep -c ^processor /proc/cpuinfo)

# write_markers TAG: from four processes, one per CPU if there are as many
write_markers() {
	w=0
	pids=
	while [ $w -lt $writers ]; do
		taskset -c $((w % cpus)) sh -c "
			i=0
			while [ \$i -lt $((markers / writers)) ]; do
				echo '<6>$1-$w-'\$i'-' >/dev/kmsg
				i=\$((i + 1))
			done" &
		pids="$pids $!"
		w=$((w + 1))
	done
	# Not all there is: the reader goes on.
	wait $pids
}

plan 10

insmod "$klog" n_subbufs=64
echo "<6>one marker" >/dev/kmsg
check "a marker can be read while it happens" \
	sh -c "timeout 5 head -n 1 $MOUNT/klog | grep -q 'one marker'"
cat $MOUNT/klog >"$t/all" &
reader=$!
write_markers large
# The reader ends when the channel does.
sleep 1
cp $MOUNT/klog.d/info "$t/info"
check "nothing lost in large buffers" equal \
	"$(counter klog overwritten) $(counter klog full) $(counter klog nested) $(counter klog held)" "0 0 0 0"
check "nothing unread" equal "$(counter klog unread)" 0
check "produced = read" equal "$(counter klog produced)" "$(counter klog read)"
rmmod klog
wait $reader 2>/dev/null
check "all markers arrived" equal "$(grep -c 'large-[0-9]*-[0-9]*-$' "$t/all")" $markers
check "each exactly once" equal \
	"$(grep -o 'large-[0-9]*-[0-9]*-$' "$t/all" | sort -u | wc -l)" $markers
check "in order for each writer" sh -c "
	for w in 0 1 2 3; do
		grep -o \"large-\$w-[0-9]*\" $t/all | cut -d- -f3 >$t/w
		sort -n $t/w | cmp -s - $t/w || exit 1
	done"

insmod "$klog" subbuf_size=4096 n_subbufs=2 overwrite=0
# So long that they are too many for the buffers of all CPUs together.
write_markers "$(printf 'small%0100d' 0)"
timeout 2 cat $MOUNT/klog >"$t/few"
produced=$(counter klog produced)
check "small buffers refuse, and count" equal \
	"$((produced + $(counter klog full) >= markers)) $(($(counter klog full) > 0))" "1 1"
check "produced = read + lost" equal "$produced" \
	"$(($(counter klog read) + $(counter klog overwritten) + $(counter klog unread)))"
check "as many lines as records" equal "$(wc -l <"$t/few")" "$(counter klog read)"
rmmod klog

dmesg -n "$console"
finish
