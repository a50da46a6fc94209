// SPDX-License-Identifier: GPL-2.0
/* What relayfs gives to other modules: the whole ABI at a glance. */

#include <linux/export.h>
#include <linux/relayfs_fs.h>

EXPORT_SYMBOL_GPL(relayfs_close);
EXPORT_SYMBOL_GPL(relayfs_commit);
EXPORT_SYMBOL_GPL(relayfs_discard);
EXPORT_SYMBOL_GPL(relayfs_flush);
EXPORT_SYMBOL_GPL(relayfs_open);
EXPORT_SYMBOL_GPL(relayfs_private_data);
EXPORT_SYMBOL_GPL(relayfs_reserve);
EXPORT_SYMBOL_GPL(relayfs_reset);
EXPORT_SYMBOL_GPL(relayfs_write);
EXPORT_SYMBOL_GPL(relayfs_write_wait);
