/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of the kernel's relay interface on relayfs share. */
#ifndef COMPAT_H
#define COMPAT_H

#include <pthread.h>
#include <relayfs_compat.h>
#include "relaytest.h"

#define DIR	"/sys/kernel/debug/" COMPAT_DIR "/"
#define RECORD	((uint32_t)sizeof(struct relaytest_record))
#define HEAD	((uint32_t)sizeof(struct compat_head))
#define SIZE	1500	/* bytes in a sub-buffer: not a power of two */
#define COUNT	3	/* of them: neither */

/* As in <linux/relay_compat.h>, which is for kernel clients. */
#define RELAY_STATS_BUF_FULL	1
#define RELAY_STATS_WRT_BIG	2
#define RELAY_STATS_WRT_LOST	4

struct stream {
	unsigned char *data;
	size_t len;
};

static inline int client_open(int dev, struct compat_open o)
{
	o.name = (uintptr_t)"x";
	o.subbuf_size = o.subbuf_size ?: SIZE;
	o.n_subbufs = o.n_subbufs ?: COUNT;
	return ioctl(dev, COMPAT_OPEN, &o) ? -errno : 0;
}

static inline int client_write(int dev, uint32_t how, uint32_t first, uint32_t count, uint32_t len)
{
	struct compat_write w = { how, count, len, first };

	return ioctl(dev, COMPAT_WRITES, &w) ? -errno : 0;
}

static inline struct compat_state client_state(int dev, uint32_t cpu)
{
	struct compat_state s = { .cpu = cpu };

	return ioctl(dev, COMPAT_STATE, &s) ? (struct compat_state){ .wrong = 1000 } : s;
}

static inline int client_consumed(int dev, uint32_t cpu, uint64_t n)
{
	struct compat_consumed c = { .cpu = cpu, .n = n };

	return ioctl(dev, COMPAT_CONSUMED, &c) ? -errno : 0;
}

static inline int open_file(int cpu, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), DIR "x%d", cpu);
	return open(path, O_RDONLY | O_CLOEXEC | flags);
}

/* Appends all there is now; errno of the read that gave nothing, or 0 at end of file. */
static inline int drain(int fd, struct stream *s)
{
	for (;;) {
		ssize_t n;

		s->data = realloc(s->data, s->len + 65536);
		n = read(fd, s->data + s->len, 65536);
		if (n <= 0)
			return n ? errno : 0;
		s->len += n;
	}
}

/* The number of the next record, and over it; -1: none is there, or a wrong one. */
static inline int64_t next_record(const unsigned char **at, size_t *left)
{
	struct relaytest_record r;
	size_t len = record_check(*at, *left);

	if (!len)
		return -1;
	memcpy(&r, *at, sizeof(r));
	*at += len;
	*left -= len;
	return r.number;
}

/*
 * How many records from number @first on, without a gap, the stream consists of; -1: other things.
 */
static inline int64_t count_records(const struct stream *s, uint32_t first)
{
	const unsigned char *at = s->data;
	size_t left = s->len;
	int64_t n;

	for (n = 0; left; n++)
		if (next_record(&at, &left) != first + n)
			return -1;
	return n;
}

/*
 * The same of one with heads, whose sub-buffers have @size bytes; checks what the heads say. The
 * first record may have any number from @first on, which becomes the real one; as may the first
 * head.
 */
static inline int64_t count_headed(const struct stream *s, size_t size, uint32_t *first,
				   uint32_t *heads)
{
	const unsigned char *at = s->data;
	size_t left = s->len;
	int64_t n = 0, number;
	uint32_t expected = 0;

	for (*heads = 0; left; (*heads)++) {
		struct compat_head h;
		size_t room;

		if (left < sizeof(h))
			return -1;
		memcpy(&h, at, sizeof(h));
		if (h.magic != COMPAT_MAGIC || !h.ended || h.padding > size - sizeof(h))
			return -2;
		if (*heads && h.number != expected)
			return -3;
		expected = h.number + 1;
		room = size - h.padding - sizeof(h);
		at += sizeof(h);
		left -= sizeof(h);
		if (room > left)
			return -4;
		left -= room;
		while (room) {
			number = next_record(&at, &room);
			if (!n && number > *first)
				*first = number;
			if (number != *first + n)
				return -5;
			n++;
		}
	}
	return n;
}

static inline int64_t read_records(int fd, uint32_t first)
{
	struct stream s = { 0 };
	int64_t n = drain(fd, &s) == EAGAIN ? count_records(&s, first) : -2;

	free(s.data);
	return n;
}

FIXTURE(compat)
{
	int dev;
};

FIXTURE_SETUP(compat)
{
	load_module("relayfs_compat");
	self->dev = open("/dev/relayfs_compat", O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
}

FIXTURE_TEARDOWN(compat)
{
	struct compat_state s = client_state(self->dev, 0);

	EXPECT_EQ(s.wrong, 0);
	close(self->dev);
	/* All files are gone. */
	EXPECT_LT(open_file(0, 0), 0);
}

#endif
