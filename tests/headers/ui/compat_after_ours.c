// SPDX-License-Identifier: GPL-2.0
// expect: in one file, define RELAYFS_NO_SHORT_NAMES

#include <linux/relayfs_fs.h>
#include <linux/relay_compat.h>
