# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# kcsan: the kernel that watches for data races, in C and, with a patch, in Rust modules.

# shellcheck source=tools/toolchain/source.sh
. "$TOOLCHAIN/source.sh"

FRAGMENTS=(base kcsan)
PATCH=$CHECKOUT/tests/kernels/kcsan-rust.patch

kernel_make_args() {
	printf '%s\n' "LLVM=$KERNEL_LLVM" ARCH=x86_64
}

kernel_inputs() {
	fragment_files "${FRAGMENTS[@]}"
	echo "$PATCH"
}

kernel_prepare() {
	find_kernel
	fetch_source
	patched_source "$1/patched" "$PATCH"
	configure_and_build "$1" kcsan "${FRAGMENTS[@]}"
}
