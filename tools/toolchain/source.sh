# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The kernel packages of Debian: which version there is, its source tree, and
# single files of its binary packages.  For kernels/*.sh, inside the root.

# available: the kernels that apt knows, newest first, as lines "RELEASE VERSION".
# Only those count for which all packages are of one version: the signed image
# trails the source a little.
available() {
	local release version
	apt-cache pkgnames "linux-headers-$KERNEL_SERIES." | sed 's/^linux-headers-//' |
		sort -rV | while read -r release; do
		[[ $release =~ ^[0-9.]+"$KERNEL_LOCALVERSION"$ ]] || continue
		version=$(versions "linux-headers-$release")
		[[ $version == "$(versions "linux-binary-$release")" ]] || continue
		# There may be several sources, all under one name.
		versions "linux-source-$KERNEL_SERIES" | sed -n "s/^$version\$/$release &/p"
	done
}

versions() {
	apt-cache madison "$1" 2>/dev/null | awk '{ print $3 }'
}

# update_lists: only the suite of the kernel; the others' lists stay.
update_lists() {
	logged "reading the package lists" apt-get update -q \
		-o Dir::Etc::sourcelist=/etc/apt/sources.list.d/kernel.list \
		-o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0
}

# find_kernel: set RELEASE (as uname -r has it) and VERSION (of the packages).
find_kernel() {
	local expected=$KERNEL_VERSION$KERNEL_LOCALVERSION found
	found=$(available)
	if ! grep -q "^$expected " <<<"$found"; then
		update_lists
		found=$(available)
	fi
	[[ -n $found ]] || die "$DEBIAN_KERNEL_SUITE has no kernel $KERNEL_SERIES.x:" \
		"see KERNEL_SERIES in tools/toolchain/config"
	read -r RELEASE VERSION < <(grep "^$expected " <<<"$found" || head -n 1 <<<"$found")
	[[ $RELEASE == "$expected" ]] ||
		say "NOTE: the mirror has no $KERNEL_VERSION (KERNEL_VERSION in tools/toolchain/config)," \
			"using ${RELEASE%%+*}, the newest it has"
}

# download PACKAGE...: into the current folder.
download() {
	local package
	for package; do
		set -- "$@" "$package=$VERSION"
		shift
	done
	if ! apt-get download -q "$@" >>"$LOG" 2>&1; then
		# The lists are as old as the root: the mirror may have moved on.
		update_lists
		logged "downloading $*" apt-get download -q "$@"
	fi
}

# fetch_source: set SOURCE to the source tree, which kernels of one version share.
fetch_source() {
	SOURCE=$RELAYFS_CACHE/source/linux-$VERSION
	[[ ! -d $SOURCE ]] || return 0
	lock "source-$VERSION" "the kernel source"
	if [[ ! -d $SOURCE ]]; then
		local partial=$SOURCE.partial
		rm -rf "$partial"
		mkdir "$partial"
		cd "$partial" || exit
		say "downloading the source of $VERSION"
		download "linux-source-$KERNEL_SERIES"
		say "unpacking it"
		logged "unpacking the source" unpack_source
		mv linux "$SOURCE"
		cd /
		rm -rf "$partial"
	fi
	unlock
}

# The tarball within the package, without a copy of it on the disk.
unpack_source() {
	mkdir linux
	dpkg-deb --fsys-tarfile linux-source-*.deb |
		tar -xO --wildcards '*/linux-source-*.tar.xz' |
		tar -xJ -C linux --strip-components=1
}

# patched_source DIR PATCH: set SOURCE to a copy of it in DIR, changed by PATCH.
# The copy is links, but for the files that change.
patched_source() {
	local dir=$1 patch=$2 file
	logged "linking the source" cp -rs "$SOURCE" "$dir"
	sed -n 's,^+++ b/,,p' "$patch" | while read -r file; do
		cp --remove-destination "$(readlink "$dir/$file")" "$dir/$file"
	done
	cd "$dir" || exit
	logged "applying ${patch##*/}" git apply "$patch"
	cd /
	SOURCE=$dir
}

# fragment_files FRAGMENT...: where they are.
fragment_files() {
	printf '%s.config\n' "${@/#/$CHECKOUT/tests/kernels/}"
}

# configure_and_build DIR NAME FRAGMENT...: from SOURCE, a whole kernel from the fragments in
# tests/kernels.  What they ask for and do not get is an error: Kconfig drops
# what it cannot have without a word.
configure_and_build() {
	local dir=$1 name=$2 lost files
	shift 2
	mapfile -t files < <(fragment_files "$@")
	cat "${files[@]}" >"$dir/wanted.config"
	echo "CONFIG_LOCALVERSION=\"-relayfs-$name\"" >>"$dir/wanted.config"
	kernel_make "$dir" KCONFIG_ALLCONFIG="$dir/wanted.config" allnoconfig
	lost=$(grep -E '^CONFIG_' "$dir/wanted.config" | grep -vxFf "$dir/.config" || true)
	if [[ -n $lost ]]; then
		echo "$lost" >>"$LOG"
		log_failure "configuring the $name kernel (options it cannot have)" 1
	fi
	say "building the $name kernel (about 12 minutes on 2 processors)"
	kernel_make "$dir" "-j$(nproc)" bzImage modules
	cp "$dir/arch/x86/boot/bzImage" "$dir/vmlinuz"
}

kernel_make() {
	local dir=$1 args
	shift
	mapfile -t args < <(kernel_make_args)
	logged "make $*" make -C "$SOURCE" O="$dir" "${args[@]}" KBUILD_BUILD_TIMESTAMP=0 "$@"
}
