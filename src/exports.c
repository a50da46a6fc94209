// SPDX-License-Identifier: GPL-2.0
/* What relayfs gives to other modules: the whole ABI at a glance. */

#include <linux/export.h>
#include <linux/relayfs_fs.h>

EXPORT_SYMBOL_GPL(relayfs_add_map_reader);
EXPORT_SYMBOL_GPL(relayfs_add_reader);
EXPORT_SYMBOL_GPL(relayfs_buffers_consumed);
EXPORT_SYMBOL_GPL(relayfs_bytes_avail);
EXPORT_SYMBOL_GPL(relayfs_bytes_consumed);
EXPORT_SYMBOL_GPL(relayfs_channel_dir);
EXPORT_SYMBOL_GPL(relayfs_close);
EXPORT_SYMBOL_GPL(relayfs_commit);
EXPORT_SYMBOL_GPL(relayfs_cpu_info);
EXPORT_SYMBOL_GPL(relayfs_create_dir);
EXPORT_SYMBOL_GPL(relayfs_create_file);
EXPORT_SYMBOL_GPL(relayfs_discard);
EXPORT_SYMBOL_GPL(relayfs_discard_init_buf);
EXPORT_SYMBOL_GPL(relayfs_empty);
EXPORT_SYMBOL_GPL(relayfs_file_data);
EXPORT_SYMBOL_GPL(relayfs_file_operations);
EXPORT_SYMBOL_GPL(relayfs_flush);
EXPORT_SYMBOL_GPL(relayfs_full);
EXPORT_SYMBOL_GPL(relayfs_get);
EXPORT_SYMBOL_GPL(relayfs_info);
EXPORT_SYMBOL_GPL(relayfs_lock);
EXPORT_SYMBOL_GPL(relayfs_metadata);
EXPORT_SYMBOL_GPL(relayfs_open);
EXPORT_SYMBOL_GPL(relayfs_private_data);
EXPORT_SYMBOL_GPL(relayfs_put);
EXPORT_SYMBOL_GPL(relayfs_read);
EXPORT_SYMBOL_GPL(relayfs_read_last);
EXPORT_SYMBOL_GPL(relayfs_reader_lost);
EXPORT_SYMBOL_GPL(relayfs_realloc_buffer);
EXPORT_SYMBOL_GPL(relayfs_remove);
EXPORT_SYMBOL_GPL(relayfs_remove_reader);
EXPORT_SYMBOL_GPL(relayfs_replace_buffer);
EXPORT_SYMBOL_GPL(relayfs_reserve);
EXPORT_SYMBOL_GPL(relayfs_reserve_event);
EXPORT_SYMBOL_GPL(relayfs_reset);
EXPORT_SYMBOL_GPL(relayfs_unlock);
EXPORT_SYMBOL_GPL(relayfs_write);
EXPORT_SYMBOL_GPL(relayfs_write_delta);
EXPORT_SYMBOL_GPL(relayfs_write_event);
EXPORT_SYMBOL_GPL(relayfs_write_wait);
EXPORT_SYMBOL_GPL(relayfs_writev);
