# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the scripts in tools/toolchain and tests/qemu share.  To be sourced:
#
#	. "$(dirname "$(readlink -f "$0")")/lib.sh"
#
# It sets TOOLCHAIN (this folder), CHECKOUT and RELAYFS_CACHE, all physical
# paths, since these are the names under which the root sees them as well.

set -euo pipefail

TOOLCHAIN=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034  # for those who source this
CHECKOUT=$(cd -P -- "$TOOLCHAIN/../.." && pwd)
# shellcheck source=tools/toolchain/config
. "$TOOLCHAIN/config"

# The progress lines count from when the outermost script began.
T0=${RELAYFS_T0:-$EPOCHSECONDS}

# This file exists in a toolchain root, and only there.
ROOT_MARKER=/etc/relayfs-toolchain

say() {
	printf '[%4d s] %s\n' "$((EPOCHSECONDS - T0))" "$*" >&2
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# Sets RELAYFS_CACHE and makes it, with the folders every script relies on.
init_cache() {
	[[ -n ${RELAYFS_CACHE:-} || -n ${HOME:-} ]] ||
		die "neither RELAYFS_CACHE nor HOME is set: where should the cache be?"
	RELAYFS_CACHE=${RELAYFS_CACHE:-$HOME/.cache/relayfs}
	if ! mkdir -p "$RELAYFS_CACHE"/{roots,kernels,source,lock,log,run,home} 2>/dev/null ||
		[[ ! -w $RELAYFS_CACHE ]]; then
		die "cannot write in the cache $RELAYFS_CACHE (RELAYFS_CACHE names another place)"
	fi
	RELAYFS_CACHE=$(cd -P -- "$RELAYFS_CACHE" && pwd)
	export RELAYFS_CACHE
}

inside_root() {
	[[ -e $ROOT_MARKER || ${RELAYFS_TOOLCHAIN:-} == host ]]
}

# root_path: where the toolchain root is, or will be: its name says what it is
# made from, so that a change gives a new one.
root_path() {
	echo "$RELAYFS_CACHE/roots/$DEBIAN_SUITE-$(key "$DEBIAN_SUITE" "$DEBIAN_ARCH" \
		"$DEBIAN_KERNEL_SUITE" "$ROOT_RECIPE" "${PACKAGES[@]}")"
}

# compiler_versions: what decides whether two builds fit together.
compiler_versions() {
	dpkg-query -W "$KERNEL_CC" rustc rust-src bindgen "clang$KERNEL_LLVM"
}

# key STRING...: a short name for what something is made from.  Files are to be
# given by content, not by name.
key() {
	printf '%s\n' "$@" | sha256sum | cut -c1-12
}

# cargo_target: where the host's cargo builds. One for each checkout: cargo tells
# two apart by their files' times only, and so takes one's build for the other's.
cargo_target() {
	echo "$RELAYFS_CACHE/cargo/$(key "$CHECKOUT")"
}

# lock NAME WHAT: one maker at a time.  The others wait, then find the work done
# and must look again.  The lock is the open file: it goes with the process, so
# that a killed maker leaves nothing to clear away.
lock() {
	exec {LOCK_FD}>"$RELAYFS_CACHE/lock/$1"
	if ! flock --nonblock "$LOCK_FD"; then
		say "another process is preparing $2: waiting for it"
		flock "$LOCK_FD"
	fi
}

unlock() {
	exec {LOCK_FD}>&-
}

# start_log NAME: the noisy commands of what follows go to this file.
start_log() {
	LOG=$RELAYFS_CACHE/log/$1.log
	export LOG
	: >"$LOG"
	# What an interrupted command leaves is not a failure to explain.
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# logged WHAT COMMAND...: run it with its output in the log; on failure show the
# end of that, and where the rest is.
logged() {
	local what=$1 status=0
	shift
	printf '+ %s\n' "$*" >>"$LOG"
	"$@" >>"$LOG" 2>&1 </dev/null || status=$?
	[[ $status -eq 0 ]] || log_failure "$what" "$status"
}

log_failure() {
	{
		printf '%s: %s failed (status %s).  The log ends with:\n' "${0##*/}" "$1" "$2"
		tail -n 20 "$LOG" | cut -c-200 | sed 's/^/    /'
		printf '%s: the whole log is in %s\n' "${0##*/}" "$LOG"
	} >&2
	exit 1
}
