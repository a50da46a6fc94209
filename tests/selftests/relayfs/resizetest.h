/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of resizing share: the client, and records that are checked one by one. */
#ifndef RESIZETEST_H
#define RESIZETEST_H

#include "relaytest.h"
#include <relayfs_resize.h>

#define RELAY_RESIZE_NONE	0
#define RELAY_RESIZE_EXPAND	1
#define RELAY_RESIZE_SHRINK	2
#define RELAY_RESIZE_REPLACE	4
#define RELAY_RESIZE_REPLACED	8

#define NAME	"resized"
#define RECORD	100	/* bytes of most records */

static inline int resize_device(void)
{
	if (access("/dev/relayfs_resize", F_OK))
		load_module("relayfs_resize");
	return open("/dev/relayfs_resize", O_RDWR | O_CLOEXEC);
}

/* Each: 0 or -errno. */

static inline int resized_open(int dev, struct resize_open o)
{
	o.path = (uintptr_t)NAME;
	return ioctl(dev, RESIZE_OPEN, &o) ? -errno : 0;
}

static inline int resized_realloc(int dev, uint64_t subbuf_size, uint32_t n, uint32_t context)
{
	struct resize_call c = { .subbuf_size = subbuf_size, .n_subbufs = n, .context = context };

	return ioctl(dev, RESIZE_REALLOC, &c) ? -errno : 0;
}

static inline int resized_replace(int dev, uint32_t context)
{
	struct resize_call c = { .context = context };

	return ioctl(dev, RESIZE_REPLACE, &c) ? -errno : 0;
}

static inline int resized_to(int dev, uint64_t subbuf_size, uint32_t n)
{
	int ret = resized_realloc(dev, subbuf_size, n, RESIZE_PROCESS);

	return ret ?: resized_replace(dev, RESIZE_PROCESS);
}

/* How many of @count records from number @first on were written on CPU 0. */
static inline unsigned int resized_write_len(int dev, uint32_t first, uint32_t count, uint32_t len)
{
	struct resize_write w = { .first = first, .count = count, .len = len };

	return ioctl(dev, RESIZE_WRITE, &w) ? 0 : w.written;
}

static inline unsigned int resized_write(int dev, uint32_t first, uint32_t count)
{
	return resized_write_len(dev, first, count, RECORD);
}

static inline struct resize_state resized_state(int dev)
{
	struct resize_state s = {};

	if (ioctl(dev, RESIZE_STATE, &s))
		s.n_buffers = 0;
	return s;
}

/* Reads all there is now, bit by bit; bytes behind @buf's @at. */
static inline size_t read_now(int fd, unsigned char *buf, size_t at, size_t size, size_t step)
{
	ssize_t got;

	do {
		got = read(fd, buf + at, size - at < step ? size - at : step);
		if (got > 0)
			at += got;
	} while (got > 0);
	return at;
}

/* Whether @len bytes are records first .. first + count - 1, one after the other. */
static inline bool are_records(const unsigned char *buf, size_t len, uint32_t first, uint32_t count)
{
	struct resize_record head;
	size_t at = 0;

	for (uint32_t n = first; n < first + count; n++) {
		if (len - at < sizeof(head))
			return false;
		memcpy(&head, buf + at, sizeof(head));
		if (head.number != n || head.len < sizeof(head) || head.len > len - at)
			return false;
		for (size_t i = sizeof(head); i < head.len; i++)
			if (buf[at + i] != resize_byte(n))
				return false;
		at += head.len;
	}
	return at == len;
}

/* Number of the first record in @buf. */
static inline uint32_t first_number(const unsigned char *buf)
{
	struct resize_record head;

	memcpy(&head, buf, sizeof(head));
	return head.number;
}

#define EXPECT_BALANCE(s) do { \
		EXPECT_EQ((s).produced, (s).read + (s).overwritten + (s).unread); \
		EXPECT_EQ((s).produced_bytes, \
			  (s).read_bytes + (s).overwritten_bytes + (s).unread_bytes); \
	} while (0)

#endif
