/* SPDX-License-Identifier: GPL-2.0 */
/* What the sources of relayfs_files.ko share. */
#ifndef FILES_H
#define FILES_H

#include <linux/relayfs_fs.h>

#include "relayfs_files.h"

/* Behind a file of the client's. */
struct files_item {
	char text[64];
	size_t len;
	unsigned long page;
	bool removed;	/* relay_remove() or relay_close() has returned */
};

const struct file_operations *files_operations_of(u32 kind);
int files_count(u32 what);
void files_wake(void);

/* Files of channels in debugfs. */
int files_elsewhere_init(void);
void files_elsewhere_exit(void);
struct dentry *files_some_dentry(void);
int files_elsewhere_make(struct rchan *chan, const char *name, const struct files_elsewhere *e);
void files_elsewhere_remove(void);

#endif
