# SPDX-License-Identifier: GPL-2.0
# TAP for the shell tests; sourced.
# shellcheck shell=sh

MOUNT=/sys/kernel/relay
tests=0
failures=0

plan() {
	echo "TAP version 13"
	echo "1..$1"
	planned=$1
}

# check NAME COMMAND...: passes if COMMAND does
check() {
	name=$1
	shift
	tests=$((tests + 1))
	if "$@"; then
		echo "ok $tests $name"
	else
		echo "not ok $tests $name"
		failures=$((failures + 1))
	fi
}

# equal A B
equal() {
	[ "$1" = "$2" ] || {
		echo "# got '$1', expected '$2'"
		return 1
	}
}

not() {
	! "$@"
}

# Unloads the clients that other tests have left loaded.
rmmod_clients() {
	clients=$(awk '$1 == "relayfs" { gsub(",", " ", $4); print $4 }' /proc/modules)
	for client in $clients; do
		[ "$client" = - ] || rmmod "$client" 2>/dev/null
	done
}

# counter CHANNEL KEY: records of the "total" row
counter() {
	sed -n "s/^total:.* $2 \([0-9]*\) .*/\1/p" "$MOUNT/$1.d/info"
}

skip_all() {
	echo "TAP version 13"
	echo "1..0 # SKIP $1"
	exit 4
}

finish() {
	[ "$tests" = "$planned" ] || {
		echo "Bail out! $tests tests of $planned"
		exit 1
	}
	[ "$failures" = 0 ]
	exit
}
