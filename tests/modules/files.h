/* SPDX-License-Identifier: GPL-2.0 */
/* What the sources of relayfs_files.ko share. */
#ifndef FILES_H
#define FILES_H

#include <linux/relayfs_fs.h>

#include "relayfs_files.h"

/* Files of channels in debugfs. */
int files_elsewhere_init(void);
void files_elsewhere_exit(void);
int files_elsewhere_make(struct rchan *chan, const char *name, const struct files_elsewhere *e);
void files_elsewhere_remove(void);

#endif
