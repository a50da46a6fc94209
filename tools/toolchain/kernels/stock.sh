# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# stock: the kernel as Debian ships it.  Its headers package does not have what
# Rust modules need (rust/*.rmeta), so the same is made again from its source and
# configuration, with its compilers; vmlinuz is the shipped one, unchanged.

# shellcheck source=tools/toolchain/source.sh
. "$TOOLCHAIN/source.sh"

kernel_inputs() { :; }

kernel_make_args() {
	echo "CC=$KERNEL_CC"
}

kernel_prepare() {
	local dir=$1 packages
	find_kernel
	say "kernel $RELEASE, package version $VERSION"
	packages=$dir/packages
	mkdir "$packages"
	cd "$packages" || exit
	download "linux-headers-$RELEASE" "linux-binary-$RELEASE"
	for package in *.deb; do
		logged "unpacking $package" dpkg-deb -x "$package" .
	done
	local headers=$packages/usr/src/linux-headers-$RELEASE
	mv "$packages/usr/lib/modules/$RELEASE/vmlinuz" "$dir/vmlinuz"
	fetch_source

	cp "$headers/.config" "$dir/.config"
	say "building what modules need (scripts, objtool, Rust crates)"
	stock_make "$dir" olddefconfig
	check_config "$headers/.config" "$dir/.config"
	stock_make "$dir" "-j$(nproc)" modules_prepare
	cp "$headers/Module.symvers" "$dir/"
	check_build "$dir"
	cd /
	rm -rf "$packages"
}

stock_make() {
	local dir=$1
	shift
	logged "make $*" make -C "$SOURCE" O="$dir" CC="$KERNEL_CC" \
		LOCALVERSION="$KERNEL_LOCALVERSION" "$@"
}

# check_config SHIPPED OURS: they may differ in the compiler's own description
# only.  Without a fitting rustc, CONFIG_RUST vanishes without a word.
check_config() {
	local differences
	differences=$(diff <(grep -v '_VERSION_TEXT=' "$1") <(grep -v '_VERSION_TEXT=' "$2")) || {
		echo "$differences" >>"$LOG"
		log_failure "configuring as the stock kernel was" 1
	}
}

# check_build DIR: it is the release, and what Rust code exports is named as in
# the shipped kernel.  These names hold a hash of the compiler and all inputs.
check_build() {
	local dir=$1 release missing
	release=$(<"$dir/include/config/kernel.release")
	[[ $release == "$RELEASE" ]] || die "built for $release instead of $RELEASE"
	[[ -e $dir/rust/libkernel.rmeta ]] || die "no rust/libkernel.rmeta in $dir"
	missing=$(comm -23 \
		<(sed -nE 's/^EXPORT_SYMBOL_RUST_GPL\((.*)\);$/\1/p' \
			"$dir"/rust/exports_{core,kernel}_generated.h | sort -u) \
		<(cut -f2 "$dir/Module.symvers" | sort -u))
	[[ -z $missing ]] || die "$(wc -l <<<"$missing") Rust symbols are named otherwise in" \
		"the shipped kernel: not its compiler, or not its source"
}
