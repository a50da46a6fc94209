/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the client that has all callbacks share. */
#ifndef CALLBACKS_H
#define CALLBACKS_H

#include <linux/relayfs_fs.h>
#include <linux/wait.h>

#include "relayfs_callbacks.h"

#define CB_MAX_EVENTS	16384
#define CB_MAX_DATA	(4u << 20)
#define CB_MAX_FILES	64u

struct client {
	struct rchan *chan;
	struct rchan_callbacks callbacks;
	struct cb_behave behave;
	wait_queue_head_t released;
	atomic_t inside;
	struct cb_event *events;
	atomic_t n_events;
	u8 *data;
	atomic_t data_len;
	struct file *files[CB_MAX_FILES];
	atomic_t n_files;
	atomic_t delivering[NR_CPUS + 1];	/* the last: of all CPUs */
};

/* callbacks_client.c: the callbacks of @wanted. */
struct rchan_callbacks callbacks_of(u32 wanted);

/* callbacks_write.c: writes as @call says; what the last write returned. */
long callbacks_write(struct client *client, const struct cb_call *call);
int callbacks_write_init(void);
void callbacks_write_exit(void);

#endif
