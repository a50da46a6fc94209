#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The klog sample while a CPU comes and goes: the kernel itself writes to the channel then, also from
# the CPU that is on its way.

. "$(dirname "$0")/lib.sh"

klog=
for ko in ./klog.ko /t/klog.ko; do
	[ -e $ko ] && klog=$ko
done
[ "$klog" ] || skip_all "no klog.ko"
cpu=$(($(grep -c ^processor /proc/cpuinfo) - 1))
online=/sys/devices/system/cpu/cpu$cpu/online
[ $cpu -gt 0 ] && [ -w $online ] || skip_all "no CPU that can be taken away"
echo on >/proc/sys/kernel/printk_devkmsg 2>/dev/null
[ "$(cat /proc/sys/kernel/printk_devkmsg)" = on ] || skip_all "/dev/kmsg is rate-limited"

relay=
for file in ./relay /t/relay; do
	[ -x $file ] && relay=$file
done

t=$(mktemp -d)
trap 'echo 1 >$online; rm -rf "$t"' EXIT
console=$(cut -f1 /proc/sys/kernel/printk)
dmesg -n 1
markers=2000

# write_markers CPU NAME
write_markers() {
	taskset -c "$1" sh -c "
		i=0
		while [ \$i -lt $markers ]; do
			echo '<6>$2-'\$i'-' >/dev/kmsg
			i=\$((i + 1))
		done"
}

# row KEY: records of the row of the CPU that comes and goes
row() {
	sed -n "s/^cpu$cpu:.* $1 \([0-9]*\) .*/\1/p" $MOUNT/klog.d/info
}

# shown: the command shows the last marker of the CPU that came up.
shown() {
	grep -q '"cpu":'$cpu',.*after-'$((markers - 1))- "$t/shown"
}

plan $((10 + (${#relay} != 0)))

echo 0 >$online
insmod "$klog" n_subbufs=64
check "no buffer for a CPU that is not there" not test -e $MOUNT/klog.d/cpu$cpu
cat $MOUNT/klog >"$t/all" &
reader=$!
if [ "$relay" ]; then
	"$relay" cat -f --observe -o json klog >"$t/shown" 2>"$t/said" &
	observer=$!
fi
echo 1 >$online
check "a buffer for one that comes up" test -e $MOUNT/klog.d/cpu$cpu
write_markers $cpu before
check "it is written" test "$(row produced)" -ge $markers

write_markers 0 during &
writer=$!
i=0
while [ $i -lt 10 ]; do
	echo 0 >$online
	echo 1 >$online
	i=$((i + 1))
done
wait $writer
write_markers $cpu after
check "and again when it is back" test "$(row produced)" -ge $((2 * markers))
# The reader ends when the channel does.
sleep 1
check "nothing is lost" equal "$(counter klog overwritten) $(counter klog full) $(counter klog nested) \
$(counter klog held) $(counter klog no_buffer)" "0 0 0 0 0"
check "produced = read" equal "$(counter klog produced)" "$(counter klog read)"
tries=0
until [ -z "$relay" ] || shown || [ $tries = 300 ]; do
	sleep 0.1
	tries=$((tries + 1))
done
rmmod klog
wait $reader 2>/dev/null
if [ "$relay" ]; then
	wait $observer
	check "relay cat -f shows a CPU that came up" shown
fi
for name in before during after; do
	check "each marker '$name' exactly once" equal \
		"$(grep -o "$name-[0-9]*-$" "$t/all" | sort | uniq -c | grep -c '^ *1 ')" $markers
done
echo 0 >$online
check "nothing is left that wants a buffer" sh -c "echo 1 >$online"

dmesg -n "$console"
finish
