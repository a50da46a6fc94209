/* SPDX-License-Identifier: GPL-2.0 */
/* The client that calls one function of the API at a time, for tests of single functions. */
#ifndef CALLS_H
#define CALLS_H

#include <relayfs_calls.h>

#include "relaytest.h"

/* As in <linux/relayfs_fs.h>. */
#define RELAY_NODE_LOCAL	0
#define RELAY_NODE_ANY		1
#define RELAY_NODE(n)		((n) + 2)
#define RELAY_FORMAT_RAW	0x1000
#define RELAY_CPU_NONE		0xffffffff
#define RELAY_CPU_ALL		0xfffffffe

struct rchan_count {
	uint64_t records;
	uint64_t bytes;
};

struct rchan_info {
	uint32_t size;
	uint32_t flags;
	uint64_t subbuf_size;
	uint32_t n_subbufs;
	uint32_t n_buffers;
	uint64_t generation;
	uint64_t current_seq;
	uint64_t subbufs_produced;
	uint64_t subbufs_consumed;
	struct rchan_count produced;
	struct rchan_count read;
	struct rchan_count overwritten;
	struct rchan_count unread;
	struct rchan_count full;
	struct rchan_count too_big;
	struct rchan_count nested;
	struct rchan_count closed;
	struct rchan_count held;
	struct rchan_count no_buffer;
	struct rchan_count nmi;
	uint64_t wakeups;
	uint32_t open_files;
	uint32_t reserved;
};

static inline int calls_device(void)
{
	load_module("relayfs_calls");
	return open("/dev/relayfs_calls", O_RDWR | O_CLOEXEC);
}

/* Opens a channel; its id, or -errno. */
static inline int calls_open(int dev, const char *path, struct calls_open o)
{
	o.path = (uintptr_t)path;
	return ioctl(dev, CALLS_OPEN, &o) ? -errno : (int)o.id;
}

/* What the function returned; of the ioctl itself nothing is to fail. */
static inline long calls_call(int dev, struct calls_call *c)
{
	return ioctl(dev, CALLS_CALL, c) ? -1000 - errno : c->ret;
}

/* calls(dev, op, id, .member = value...) */
#define calls(dev, what, which, ...) \
	calls_call(dev, &(struct calls_call){ .op = (what), .id = (which), ##__VA_ARGS__ })

static inline long calls_write(int dev, int id, const void *data, uint64_t len)
{
	return calls(dev, CALLS_WRITE, id, .data = (uintptr_t)data, .len = len);
}

static inline struct rchan_info calls_info(int dev, int id)
{
	struct rchan_info info = { .size = sizeof(info) };
	struct calls_call c = { .op = CALLS_INFO, .id = id, .data = (uintptr_t)&info,
				.len = sizeof(info) };

	return calls_call(dev, &c) ? (struct rchan_info){} : info;
}

/* At rest each record is in one place. */
static inline bool adds_up(const struct rchan_info *i)
{
	return i->size == sizeof(*i) &&
	       i->produced.records == i->read.records + i->overwritten.records +
				      i->unread.records &&
	       i->produced.bytes == i->read.bytes + i->overwritten.bytes + i->unread.bytes;
}

#endif
