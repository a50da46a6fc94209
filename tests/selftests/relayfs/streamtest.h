/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of files share: a channel, one of its files, and what is in it. All records are
 * written on CPU 0 if a test does not say otherwise, so the same comes out of each file.
 */
#ifndef STREAMTEST_H
#define STREAMTEST_H

#include <limits.h>
#include <pthread.h>
#include "relaytest.h"

#define SUBBUF		4096
#define N_SUBBUFS	4

/* Which file, of which channel. */
struct stream_kind {
	const char *file;
	uint32_t flags;
	uint64_t watermark;
	uint32_t watermark_unit;
	uint32_t flush_interval_ms;
};

/* A channel that is told nothing by time but at the end of a minute. */
struct stream {
	int dev, id, fd;
};

static const struct stream_kind stream_buffer = {
	.file = "s.d/cpu0", .flags = RELAY_MODE_NO_OVERWRITE,
};

static const struct stream_kind stream_whole = {
	.file = "s", .flags = RELAY_MODE_NO_OVERWRITE,
};

static const struct stream_kind stream_global = {
	.file = "s", .flags = RELAY_MODE_NO_OVERWRITE | RELAY_USAGE_GLOBAL,
};

static const struct stream_kind stream_overwrite = {
	.file = "s.d/cpu0", .flags = RELAY_MODE_CONTINUOUS,
};

/* 0, or -errno. */
static inline int stream_open_as(struct stream *s, const struct stream_kind *k, int flags)
{
	struct relaytest_open o = {
		.subbuf_size = SUBBUF, .n_subbufs = N_SUBBUFS, .flags = k->flags,
		.watermark = k->watermark, .watermark_unit = k->watermark_unit,
		.flush_interval_ms = k->flush_interval_ms ? : 60000,
	};

	s->fd = -1;
	s->dev = test_device();
	if (s->dev < 0 || pin_to_cpu(0))
		return -errno;
	s->id = chan_open_attr(s->dev, "s", o);
	if (s->id < 0)
		return s->id;
	s->fd = file_open(k->file, flags);
	return s->fd < 0 ? -errno : 0;
}

static inline void stream_close(struct stream *s)
{
	close(s->fd);
	close(s->dev);
}

static inline long stream_put(const struct stream *s, const char *text)
{
	return chan_write(s->dev, s->id, text, strlen(text));
}

/* So many bytes, each telling its place, from @at on. */
static inline unsigned char stream_byte(size_t at)
{
	return (at ^ at >> 8 ^ at >> 16) + 1;
}

static inline long stream_fill(const struct stream *s, size_t at, size_t len)
{
	unsigned char b[SUBBUF];

	for (size_t i = 0; i < len; i++)
		b[i] = stream_byte(at + i);
	return chan_write(s->dev, s->id, b, len);
}

/* Where the first wrong byte is, or @len. */
static inline size_t stream_wrong(const void *b, size_t at, size_t len)
{
	size_t i;

	for (i = 0; i < len && ((const unsigned char *)b)[i] == stream_byte(at + i); i++)
		;
	return i;
}

/* Two pages, of which the second is not there. */
static inline char *half_mapped(void)
{
	char *map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	munmap(map + PAGE, PAGE);
	return map;
}

/* Returns when the task sleeps in system call @nr; false if it has not for a minute. */
static inline bool wait_until_in(pid_t tid, long nr)
{
	char path[64], line[256] = "";

	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	for (int i = 0; i < 60000; i++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

		close(fd);
		/* "running", or the number of the call and its arguments. */
		if (n > 0 && line[0] != 'r' && atol(line) == nr && task_state(tid) == 'S')
			return true;
		usleep(1000);
	}
	return false;
}

#endif
