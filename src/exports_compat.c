// SPDX-License-Identifier: GPL-2.0
/* The kernel's relay interface on relayfs: what <linux/relay_compat.h> calls. */

#include <linux/export.h>
#include <linux/relay_compat.h>

EXPORT_SYMBOL_GPL(relayfs_compat_buf_full);
EXPORT_SYMBOL_GPL(relayfs_compat_close);
EXPORT_SYMBOL_GPL(relayfs_compat_file_operations);
EXPORT_SYMBOL_GPL(relayfs_compat_flush);
EXPORT_SYMBOL_GPL(relayfs_compat_open);
EXPORT_SYMBOL_GPL(relayfs_compat_reserve);
EXPORT_SYMBOL_GPL(relayfs_compat_reset);
EXPORT_SYMBOL_GPL(relayfs_compat_stats);
EXPORT_SYMBOL_GPL(relayfs_compat_subbufs_consumed);
EXPORT_SYMBOL_GPL(relayfs_compat_switch_subbuf);
EXPORT_SYMBOL_GPL(relayfs_compat_write);
