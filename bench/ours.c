// SPDX-License-Identifier: GPL-2.0
/* relayfs, in the ways a client may write. */

#include <linux/err.h>
#include <linux/relayfs_fs.h>
#include <linux/string.h>

#include "bench.h"

static struct rchan *chan;

static int open_with(u32 flags, size_t subbuf_size, size_t n_subbufs)
{
	const struct rchan_attr attr = {
		.size = sizeof(attr),
		.flags = flags,
		.subbuf_size = subbuf_size,
		.n_subbufs = n_subbufs,
	};

	chan = relay_open("bench", &attr);
	return PTR_ERR_OR_ZERO(chan);
}

static int setup_smp(size_t subbuf_size, size_t n_subbufs)
{
	return open_with(RELAY_USAGE_SMP, subbuf_size, n_subbufs);
}

static int setup_global(size_t subbuf_size, size_t n_subbufs)
{
	return open_with(RELAY_USAGE_GLOBAL, subbuf_size, n_subbufs);
}

static int setup_locking(size_t subbuf_size, size_t n_subbufs)
{
	return open_with(RELAY_SCHEME_LOCKING, subbuf_size, n_subbufs);
}

static int setup_events(size_t subbuf_size, size_t n_subbufs)
{
	return open_with(RELAY_FORMAT_RECORDS, subbuf_size, n_subbufs);
}

static int setup_events_tsc(size_t subbuf_size, size_t n_subbufs)
{
	return open_with(RELAY_FORMAT_RECORDS | RELAY_TIMESTAMP_TSC, subbuf_size, n_subbufs);
}

static int setup_discard(size_t subbuf_size, size_t n_subbufs)
{
	return open_with(RELAY_MODE_NO_OVERWRITE, subbuf_size, n_subbufs);
}

static void write_one(const void *data, size_t len)
{
	relay_write(chan, data, len);
}

static void write_slot(const void *data, size_t len)
{
	struct relay_slot slot;

	if (!relay_reserve(chan, len, &slot)) {
		memcpy(slot.data, data, len);
		relay_commit(&slot);
	}
}

static void write_event(const void *data, size_t len)
{
	relay_write_event(chan, 0, data, len);
}

static void teardown(void)
{
	relay_close(chan);
}

const struct contestant bench_relayfs = {
	"relay_write (relayfs)", setup_smp, write_one, teardown
};

const struct contestant bench_relayfs_slot = {
	"reserve + memcpy + commit (relayfs)", setup_smp, write_slot, teardown
};

const struct contestant bench_relayfs_global = {
	"relay_write, GLOBAL (relayfs)", setup_global, write_one, teardown
};

const struct contestant bench_relayfs_locking = {
	"relay_write, LOCKING (relayfs)", setup_locking, write_one, teardown
};

/* With a head of 16 bytes and the time. */
const struct contestant bench_relayfs_event = {
	"relay_write_event (relayfs)", setup_events, write_event, teardown
};

const struct contestant bench_relayfs_event_tsc = {
	"relay_write_event, TSC (relayfs)", setup_events_tsc, write_event, teardown
};

const struct contestant bench_relayfs_discard = {
	"relayfs, refusing when full", setup_discard, write_one, teardown
};
