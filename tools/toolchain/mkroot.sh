#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# mkroot.sh DIR: fill DIR with the Debian system that enter enters.  Started by
# enter in namespaces where we are root.  Output is for a log.
set -euo pipefail

# shellcheck source=tools/toolchain/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
dir=$1

# find_mirror: which mirror serves this machine best is known to its apt, if it
# is a Debian.  Else print nothing, and the tool's built-in default is used.
find_mirror() {
	local site
	if [[ -n ${RELAYFS_MIRROR:-} ]]; then
		echo "$RELAYFS_MIRROR"
		return
	fi
	command -v apt-get >/dev/null || return 0
	# shellcheck disable=SC2016  # apt's variables
	apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null |
		sort -u | while read -r site; do
		# Others than Debian may be there too, and sites with only a part
		# of it (security): see whether the suite we need is.
		if /usr/lib/apt/apt-helper download-file \
			"$site/dists/$DEBIAN_KERNEL_SUITE/InRelease" "$scratch/InRelease" >&2; then
			echo "$site"
			break
		fi
	done
}

# The host may reach its mirror through a proxy known only to its apt.
apt_proxy() {
	local proxy=
	if command -v apt-config >/dev/null; then
		eval "$(apt-config shell proxy Acquire::http::Proxy)"
	fi
	echo "$proxy"
}

# add_kernel_suite: the kernel's suite, from the site the root came from.  Its
# packages are not installed: apt inside takes from it only what it is told to.
add_kernel_suite() {
	local site
	# shellcheck disable=SC2016  # apt's variables
	site=$(chroot "$dir" apt-get indextargets --format '$(SITE) $(CODENAME)' \
		'Created-By: Packages' | awk -v s="$DEBIAN_SUITE" '$2 == s { print $1; exit }')
	echo "deb ${site:-$1} $DEBIAN_KERNEL_SUITE main" \
		>"$dir/etc/apt/sources.list.d/kernel.list"
}

# For dpkg inside.  A root that is thrown away when its making is interrupted
# needs no fsync per file, and nobody reads manuals in it.
DPKG_OPTIONS=(force-unsafe-io path-exclude=/usr/share/{man,doc,info,locale}/\*)

with_mmdebstrap() {
	local mirror=$1 proxy list sources=() options=()
	proxy=$(apt_proxy)
	list=$(IFS=,; echo "${PACKAGES[*]}")
	if [[ -n $mirror ]]; then
		sources=("deb $mirror $DEBIAN_SUITE main" "deb $mirror $DEBIAN_SUITE-updates main")
	fi
	# The root's own apt will need them.
	[[ $mirror != https:* ]] || list+=,ca-certificates
	[[ -z $proxy ]] || options+=("--aptopt=Acquire::http::Proxy \"$proxy\"")
	mmdebstrap --mode=root --variant=apt --architectures="$DEBIAN_ARCH" --include="$list" \
		--aptopt='Acquire::Languages "none"' --skip=cleanup/apt/lists \
		"${DPKG_OPTIONS[@]/#/--dpkgopt=}" "${options[@]}" \
		"$DEBIAN_SUITE" "$dir" "${sources[@]}"
}

# Where there is no apt to install mmdebstrap with: on other distributions.
with_debootstrap() {
	local site
	debootstrap --variant=minbase --arch="$DEBIAN_ARCH" \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
		"$DEBIAN_SUITE" "$dir" ${1:+"$1"}
	site=$(awk '$1 == "deb" { print $2; exit }' "$dir/etc/apt/sources.list")
	echo "deb $site $DEBIAN_SUITE-updates main" >>"$dir/etc/apt/sources.list"
	printf '%s\n' "${DPKG_OPTIONS[@]}" >"$dir/etc/dpkg/dpkg.cfg.d/relayfs"
	echo 'Acquire::Languages "none";' >"$dir/etc/apt/apt.conf.d/99relayfs"
	mount --rbind /proc "$dir/proc"
	mount --rbind /dev "$dir/dev"
	chroot "$dir" apt-get update
	DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		chroot "$dir" apt-get install -y --no-install-recommends "${PACKAGES[@]}"
	chroot "$dir" apt-get clean
}

main() {
	local mirror
	scratch=$(mktemp -d)
	trap 'rm -rf "$scratch"' EXIT
	mirror=$(find_mirror)
	echo "mirror: ${mirror:-the default}"
	if command -v mmdebstrap; then
		with_mmdebstrap "$mirror"
	else
		with_debootstrap "$mirror"
	fi
	add_kernel_suite "$mirror"
	# For the prompt of a shell inside.
	echo relayfs >"$dir/etc/debian_chroot"
	# compiler_versions, but of the root.
	declare -f compiler_versions >"$scratch/versions"
	{ declare -p KERNEL_CC KERNEL_LLVM; cat "$scratch/versions"; echo compiler_versions; } |
		chroot "$dir" /bin/bash >"$dir$ROOT_MARKER"
}

# A function, for the reason given in enter.
main; exit
