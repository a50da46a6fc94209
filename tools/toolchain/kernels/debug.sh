# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# debug: the same source with the kernel's own checkers, see tests/kernels. KASAN and Rust together
# want clang.

# shellcheck source=tools/toolchain/source.sh
. "$TOOLCHAIN/source.sh"

FRAGMENTS=(base checks kasan)

kernel_make_args() {
	printf '%s\n' "LLVM=$KERNEL_LLVM" ARCH=x86_64
}

kernel_inputs() {
	fragment_files "${FRAGMENTS[@]}"
}

kernel_prepare() {
	find_kernel
	fetch_source
	configure_and_build "$1" debug "${FRAGMENTS[@]}"
}
