#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The 32-bit program compat32_test, where the kernel runs such programs.

. "$(dirname "$0")/lib.sh"

[ -x ./compat32_test ] || skip_all "not built: needs a compiler for i386"
grep -q ' __ia32_compat_sys_ioctl$' /proc/kallsyms || skip_all "no CONFIG_IA32_EMULATION"
exec ./compat32_test
