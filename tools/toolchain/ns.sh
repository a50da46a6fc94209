#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ns.sh ROOT CWD COMMAND...: the second half of enter, started by it in a mount
# namespace of its own, as root (of the machine, or of a user namespace).
#
# Everything mounted here goes away with the namespace, that is with COMMAND,
# however it ends.  There is no clean-up to forget.
set -euo pipefail

root=$1 cwd=$2
shift 2

# bind PATH: PATH means the same inside as outside.  --rbind and not --bind: a
# user namespace may not copy a mount without those below it.
bind() {
	if [[ -d $1 ]]; then
		mkdir -p "$root$1"
	else
		mkdir -p "$root${1%/*}"
		[[ -e $root$1 ]] || : >"$root$1"
	fi
	mount --rbind "$1" "$root$1"
}

# First the big ones, so that those that lie within them (a checkout in /tmp)
# find themselves there already and no folder is made in the host's /tmp.
for dir in /tmp /var/tmp; do
	bind "$dir"
done
IFS=: read -ra own <<<"$RELAYFS_BIND"
for dir in "${own[@]}"; do
	bind "$dir"
done
for dir in /proc /sys /dev; do
	bind "$dir"
done
# Nobody writes to the host's /sys by mistake.  A user namespace cannot do that
# in the first place, and need not be allowed to remount.
mount -o remount,bind,ro "$root/sys" 2>/dev/null || [[ ! -w /sys/kernel/profiling ]]

# Name service as on the host, as it is now and not as it was when the root was
# made: apt needs it.  The root's may be a symbolic link to nowhere.
for file in /etc/resolv.conf /etc/hosts; do
	[[ -e $file ]] || continue
	[[ -f $root$file && ! -L $root$file ]] || { rm -f "$root$file"; : >"$root$file"; }
	mount --bind "$(readlink -f "$file")" "$root$file"
done

# Where the caller stood, or the nearest to it that exists inside: the folders
# of the system (/usr/src, say) are those of the root.
[[ -d $root$cwd ]] || cwd=/

# The caller's environment, less what would bring the host's tools or settings
# in.  PATH is the root's, and so is HOME, lest a ~/.cargo/config or ~/.gitconfig
# of the host decide how a kernel is built.  MAKEFLAGS stays: the job server's
# pipe is inherited, and its fifo is in /tmp.
unset -v "${!LD_@}" "${!LC_@}" "${!CARGO@}" "${!RUST@}" "${!PYTHON@}" "${!PERL@}" \
	LANGUAGE BASH_ENV ENV CDPATH RELAYFS_BIND TMPDIR
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=$RELAYFS_CACHE/home LANG=C.UTF-8 SHELL=/bin/bash USER=root LOGNAME=root

# shellcheck disable=SC2016  # for the shell inside
exec chroot "$root" /bin/sh -c 'cd -- "$1" && shift && exec "$@"' enter "$cwd" "$@"
