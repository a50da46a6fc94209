#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The sample duplex: commands to the kernel, and its answers.

. "$(dirname "$0")/lib.sh"

duplex=
for ko in ./duplex.ko /t/duplex.ko; do
	[ -e $ko ] && duplex=$ko
done
[ "$duplex" ] || skip_all "no duplex.ko"

# ask COMMAND: the answer's first line
ask() {
	printf '%s\n' "$1" >&3
	read -r answer <&3
	echo "$answer"
}

plan 11
check "loads" insmod $duplex
exec 3<>$MOUNT/duplex
check "ping" equal "$(ask ping)" pong
check "echo" equal "$(ask "echo is anybody there")" "is anybody there"
check "what it does not know" equal "$(ask nonsense)" "what? try help"
check "stat" equal "$(ask stat)" "3 answers, 0 overwritten, 1 open"

printf 'pi' >&3
check "half a line is a line with the other half" equal "$(ask ng)" pong
printf 'ping\necho two\n' >&3
check "of two lines the first" equal "$(ask "")" pong
read -r answer <&3
check "and the second" equal "$answer" two
long=$(printf '%0250d' 0)
check "what is too long is cut" equal "$(ask "echo $long")" "$(printf '%0195d' 0)"

check "unloads while it is open" rmmod duplex
check "then there is nobody" not sh -c 'echo ping >&3' 2>/dev/null
exec 3<&-
finish
