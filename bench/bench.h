/* SPDX-License-Identifier: GPL-2.0 */
/* Contestants: each writes one record of len bytes. */
#ifndef RELAYFS_BENCH_H
#define RELAYFS_BENCH_H

#include <linux/types.h>

struct file_operations;

struct contestant {
	const char *name;
	int (*setup)(size_t subbuf_size, size_t n_subbufs);
	void (*write)(const void *data, size_t len);
	void (*teardown)(void);
};

extern const struct contestant bench_relayfs, bench_relayfs_global, bench_relayfs_slot;
extern const struct contestant bench_relayfs_locking;
extern const struct contestant bench_relayfs_event, bench_relayfs_event_tsc;
extern const struct contestant bench_memcpy, bench_relay_nosave, bench_relay, bench_ftrace;

/* Those that are read: full ones refuse. */
extern const struct contestant bench_relayfs_discard, bench_relay_discard;

/* What bench_memcpy wrote: from the beginning again, and to user space. */
void bench_memcpy_rewind(void);
ssize_t bench_memcpy_read(char __user *to, size_t len);

/* The kernel's relay, for a file of ours. */
void *bench_relay_buf(void);
void bench_relay_consumed(size_t subbufs);
extern const struct file_operations *const bench_relay_fops;

int bench_devices_begin(void);
void bench_devices_end(void);

#endif
