/* SPDX-License-Identifier: GPL-2.0 */
/* Readers in the kernel, for their tests. */
#ifndef READERS_H
#define READERS_H

#include "calls.h"

/* Flags of the channels that are read, short. */
#define SMP		RELAY_USAGE_SMP
#define GLOBAL		RELAY_USAGE_GLOBAL
#define LOCKING		RELAY_SCHEME_LOCKING
#define KEEP		RELAY_MODE_NO_OVERWRITE

#define SUBBUF	4096
#define N	4

/* Adds a reader; its id, or -errno. */
static inline long reader_add(int dev, int id, uint32_t cpu, int auto_consume)
{
	struct calls_call c = { .op = CALLS_ADD_READER, .id = id, .cpu = cpu,
				.flag = auto_consume };
	long ret = calls_call(dev, &c);

	return ret ? ret : (long)c.value;
}

static inline long map_reader_add(int dev, int id, uint32_t cpu)
{
	struct calls_call c = { .op = CALLS_ADD_MAP_READER, .id = id, .cpu = cpu };
	long ret = calls_call(dev, &c);

	return ret ? ret : (long)c.value;
}

static inline long reader_read(int dev, int reader, void *to, uint64_t len, int wait)
{
	return calls(dev, CALLS_READ, reader, .data = (uintptr_t)to, .len = len, .flag = wait);
}

static inline int64_t reader_lost(int dev, int reader)
{
	struct calls_call c = { .op = CALLS_LOST, .id = reader };

	return calls_call(dev, &c) ? -1 : (int64_t)c.value;
}

#define avail(dev, reader)		calls(dev, CALLS_BYTES_AVAIL, reader)
#define is_empty(dev, reader)		calls(dev, CALLS_EMPTY, reader)
#define is_full(dev, reader)		calls(dev, CALLS_FULL, reader)
#define consume_bytes(dev, reader, n)	calls(dev, CALLS_BYTES_CONSUMED, reader, .len = (n))
#define consume_subbufs(dev, reader, n)	calls(dev, CALLS_BUFFERS_CONSUMED, reader, .len = (n))

/* Writes records that prove themselves on this CPU; how many. */
static inline long pattern_write(int dev, int id, uint32_t writer, uint32_t first, uint32_t count,
				 uint32_t len, bool wait)
{
	return calls(dev, CALLS_PATTERN, id, .flag = writer, .value = first, .cpu = count,
		     .len = len, .hardirq = wait);
}

#endif
