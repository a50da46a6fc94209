#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The command relay, with channels of the samples.

. "$(dirname "$0")/lib.sh"

relay=
for file in ./relay /t/relay; do
	[ -x $file ] && relay=$(readlink -f $file)
done
[ "$relay" ] || skip_all "no relay: this host has no cargo"

t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT

load() {
	name=$1
	shift
	for ko in ./$name.ko /t/$name.ko; do
		[ -e $ko ] && insmod $ko "$@" && return
	done
}

# run ARGUMENT...: relay, with its output in $t/out and $t/err
run() {
	timeout 60 "$relay" "$@" >"$t/out" 2>"$t/err"
}

# ends STATUS ARGUMENT...
ends() {
	expected=$1
	shift
	run "$@"
	equal $? "$expected" || {
		sed 's/^/# /' "$t/err"
		return 1
	}
}

# says TEXT ARGUMENT...: fails, and tells so
says() {
	text=$1
	shift
	ends 1 "$@" && grep -q "$text" "$t/err" || {
		sed 's/^/# /' "$t/err"
		return 1
	}
}

# told TEXT: on standard error
told() {
	grep -q "$1" "$t/err" || {
		sed 's/^/# /' "$t/err"
		return 1
	}
}

# every line of a file is an object with a type
json_lines() {
	[ -s "$1" ] && not grep -qv '^{.*"type":"[a-z]*".*}$' "$1"
}

# sum KEY FILE: of the last line's number
number() {
	tail -n 1 "$2" | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"
}

# As many lines with an event as the last line says.
counted() {
	equal "$(grep -c '"type":"record"' "$1")" "$(number records "$1")"
}

in_order() {
	grep '"type":"record"' "$1" | sed 's/.*"timestamp":\([0-9]*\).*/\1/' >"$t/times"
	sort -n "$t/times" | cmp -s - "$t/times"
}

work() {
	find /sys/module/relayfs >/dev/null
}

# So much that small buffers do not hold it.
busy() {
	find /sys/module >/dev/null 2>&1
}

rmmod systrace 2>/dev/null
rmmod klog 2>/dev/null
plan 50

check "no verb: usage" ends 2
check "wrong option: usage" ends 2 cat --no-such-option x
check "no channel: usage" ends 2 record -o "$t/x"
check "help" ends 0 record --help
check "info" ends 0 info
check "... tells the mount" grep -q "^mount: *$MOUNT" "$t/out"
check "info, JSON" sh -c "'$relay' info --json | grep -q '^{.*\"type\":\"info\".*}\$'"
check "no such channel" says "no such channel" cat nothing

load systrace n_subbufs=32
check "a channel is listed" sh -c "'$relay' ls | grep -q '^systrace .* 32x64K .*overwrite'"
check "... in JSON" sh -c "'$relay' ls --json | grep -q '\"path\":\"systrace\"'"
check "near names are told" says "did you mean systrace" cat sytrace
check "no such CPU" says "no buffer of CPU 4000" cat --cpu 4000 systrace
check "by its path" ends 0 stat $MOUNT/systrace
check "stat has a line for each CPU" grep -q '^cpu0 ' "$t/out"
check "stat, JSON" ends 0 stat --json systrace
check "... lines" json_lines "$t/out"

work
check "observes" ends 0 cat --observe -o json systrace
check "JSON lines" json_lines "$t/out"
check "in the order of time" in_order "$t/out"
check "all that was said to be there" counted "$t/out"
check "nothing was consumed" equal "$(counter systrace read)" 0
check "the last three" sh -c "[ \$('$relay' cat --observe -n 3 systrace | wc -l) = 3 ]"
check "complete" ends 0 cat --fail-on-loss -o json systrace
check "... in order" in_order "$t/out"
# The last sub-buffer is not, if something was written to it meanwhile.
check "what is shown is consumed" test "$(counter systrace read)" -gt 0
check "nothing is said of no loss" not grep -q lost "$t/err"
check "the reader of the pipe goes away, and nothing is said of it" equal \
	"$("$relay" cat -f systrace 2>"$t/pipe" | head -n 2 | wc -l) $(cat "$t/pipe")" "2 "

"$relay" cat -f --new -o json systrace >"$t/follow" 2>"$t/err" &
pid=$!
sleep 1
check "another consumer is told" says "another reader consumes it" cat systrace
check "who resets, too" says "only consumer" reset systrace
tries=0
until grep -q '"type":"record"' "$t/follow" || [ $tries = 100 ]; do
	work
	sleep 0.1
	tries=$((tries + 1))
done
kill -INT $pid
wait $pid
check "^C ends with 130" equal $? 130
check "new data was shown" grep -q '"type":"record"' "$t/follow"
check "and the last line written" equal "$(tail -n 1 "$t/follow" | grep -c '"type":"end"')" 1

check "flush" ends 0 flush systrace
check "reset" ends 0 reset systrace
check "records while a command runs" ends 0 record systrace -o "$t/trace" --json -- ls -R /sys/module
check "the totals are JSON" sh -c "tail -n 1 $t/out | grep -q '^{.*\"type\":\"end\".*}\$'"
check "the folder is not used twice" says "not empty" record systrace -o "$t/trace" -w 1
rmmod systrace

# So small that most of it is refused.
load systrace n_subbufs=2 subbuf_size=4096 overwrite=0
busy
check "loss is a status" ends 3 cat --fail-on-loss -o json systrace
check "... a number in JSON" test "$(number lost "$t/out")" -gt 0
check "... and told with what helps" told 'lost .* full .*n_subbufs, now 2'
rmmod systrace

load klog
printf '<6>a \033[1m marker\n' >/dev/kmsg
check "control characters do not reach the terminal" sh -c \
	"'$relay' cat --observe klog | grep -qF 'a \\u{1b}[1m marker'"
check "nor break JSON" sh -c "'$relay' cat --observe -o json klog | grep -qF 'a \\u001b[1m marker'"
raw_bytes() {
	"$relay" cat --observe -o raw klog | grep -qF "a $(printf '\033')[1m marker"
}
check "bytes are what read gives" raw_bytes
grep -q ^nobody: /etc/passwd || echo nobody:x:65534:65534::/:/bin/sh >>/etc/passwd
check "who may not read is told what to do" sh -c \
	"su nobody -s /bin/sh -c '$relay cat klog' 2>&1 | grep -q 'mode=0750'"
check "records without consuming" ends 0 record klog -o "$t/short" -w 0.2 --observe --json
check "... what is in sub-buffers that are not full" grep -q '"bytes":[1-9][0-9]*,"channel"' "$t/out"
"$relay" record klog -o "$t/klog" 2>"$t/err" &
pid=$!
sleep 1
rmmod klog
wait $pid
check "a recording ends when its channel is closed" equal $? 0
check "... and has what was there" grep -q '1 CPU\|[1-9][0-9]* bytes\|KiB' "$t/err"
check "... and its metadata" test -s "$t/klog/klog/metadata"
umount $MOUNT
check "not mounted" says "mount -t relayfs" ls
mount -t relayfs relayfs $MOUNT
finish
