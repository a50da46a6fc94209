/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_RELAYFS_FS_H
#define _LINUX_RELAYFS_FS_H

/**
 * DOC: relayfs for kernel clients
 *
 * A *channel* carries data from kernel code to files in a relayfs mount. It has one *buffer* per
 * CPU that runs, or one for all; a buffer is a ring of *sub-buffers*. Opening channel "net/rx"
 * makes the file "net/rx", which gives the data of all CPUs, and "net/rx.d/cpu0" and so on, one per
 * buffer.
 *
 * The exported symbols are relayfs_*(), as the kernel has a relay_open() of its own.
 */

#ifdef _LINUX_RELAY_H
#error "<linux/relayfs_fs.h> and <linux/relay.h> declare the same names: include only one"
#endif

#include <linux/relayfs/attr.h>
#include <linux/relayfs/callbacks.h>
#include <linux/relayfs/control.h>
#include <linux/relayfs/events.h>
#include <linux/relayfs/files.h>
#include <linux/relayfs/read.h>
#include <linux/relayfs/write.h>

#endif /* _LINUX_RELAYFS_FS_H */
