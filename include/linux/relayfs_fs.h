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
 * The exported symbols are relayfs_*(), as the kernel has a relay_open() of its own. What is here
 * by the short names, and what <linux/relay.h> declares, are two things of one name. So:
 *
 * * Include this before what includes <linux/relay.h>, as <linux/blktrace_api.h> does for
 *   <trace/events/block.h>: that is empty then. Pointers to the kernel's channels can still be
 *   passed on.
 * * Who needs both in one file defines RELAYFS_NO_SHORT_NAMES before either. Then there are
 *   relayfs_open(), relayfs_write() and so on, as they are exported, of a struct relayfs_chan and
 *   with a struct relayfs_callbacks; all other names of structures and flags stay. What is said of
 *   relay_write() is true of relayfs_write(), and so on.
 */

#ifdef RELAYFS_NO_SHORT_NAMES
/* In what follows only. */
#define rchan		relayfs_chan
#define rchan_callbacks	relayfs_callbacks
#define relay_open	__relayfs_open
#define relay_close	__relayfs_close
#define relay_flush	__relayfs_flush
#define relay_reset	__relayfs_reset
#define relay_write	__relayfs_write
#define relay_reserve	__relayfs_reserve
#else
#ifdef _LINUX_RELAY_H
#error "Include <linux/relayfs_fs.h> before <linux/relay.h>, or see RELAYFS_NO_SHORT_NAMES"
#endif
#define _LINUX_RELAY_H
#endif

#include <linux/relayfs/attr.h>
#include <linux/relayfs/callbacks.h>
#include <linux/relayfs/control.h>
#include <linux/relayfs/events.h>
#include <linux/relayfs/files.h>
#include <linux/relayfs/read.h>
#include <linux/relayfs/write.h>

#ifdef RELAYFS_NO_SHORT_NAMES
#undef rchan
#undef rchan_callbacks
#undef relay_open
#undef relay_close
#undef relay_flush
#undef relay_reset
#undef relay_write
#undef relay_reserve
#else
#include <linux/relayfs/names2003.h>
#endif

#endif /* _LINUX_RELAYFS_FS_H */
