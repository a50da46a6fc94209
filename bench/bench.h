/* SPDX-License-Identifier: GPL-2.0 */
/* Contestants: each writes one record of len bytes. */
#ifndef RELAYFS_BENCH_H
#define RELAYFS_BENCH_H

#include <linux/types.h>

struct contestant {
	const char *name;
	int (*setup)(size_t subbuf_size, size_t n_subbufs);
	void (*write)(const void *data, size_t len);
	void (*teardown)(void);
};

extern const struct contestant bench_relayfs, bench_relayfs_global, bench_relayfs_slot;
extern const struct contestant bench_memcpy, bench_relay_nosave, bench_relay, bench_ftrace;

#endif
