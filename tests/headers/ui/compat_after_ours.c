// SPDX-License-Identifier: GPL-2.0
// expect: in the same file, define RELAYFS_NO_SHORT_NAMES

#include <linux/relayfs_fs.h>
#include <linux/relay_compat.h>
