/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the client that calls one function at a time share. */
#ifndef CALLS_H
#define CALLS_H

#include <linux/mutex.h>
#include <linux/relayfs_fs.h>

#include "relayfs_calls.h"

#define CALLS_MAX	32
#define CALLS_MAX_LEN	(4u << 20)

struct session {
	struct rchan *chans[CALLS_MAX];
	struct rchan_reader *readers[CALLS_MAX];
	bool closed[CALLS_MAX];
	u32 kept[CALLS_MAX];
	bool maps[CALLS_MAX];
	struct mutex lock;	/* what changes those */
};

/* calls_write.c and calls_read.c: what a call gives, or -ENOTTY. The buffer has c->len bytes. */
long calls_of_channel(struct rchan *chan, struct calls_call *c, void *buffer);
long calls_of_reader(struct rchan_reader *reader, struct calls_call *c, void *buffer);

#endif
