/* SPDX-License-Identifier: GPL-2.0 */
/* A channel with a watermark and a flush interval, and threads that wait for its data. */
#ifndef WATERMARK_RIG_H
#define WATERMARK_RIG_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include "relaytest.h"

#define NEVER		60000
#define SUBBUF		4096
#define N_SUBBUFS	4
#define RECORD		128

static inline int channel(int dev, uint32_t unit, uint32_t watermark, uint32_t flags,
			  uint32_t interval)
{
	return chan_open_attr(dev, "w", (struct relaytest_open){
		.subbuf_size = SUBBUF, .n_subbufs = N_SUBBUFS, .flags = flags,
		.flush_interval_ms = interval, .watermark = watermark, .watermark_unit = unit });
}

/* A thread that waits for data. */
struct waiter {
	pthread_t thread;
	int fd;
	bool poll;
	atomic_int tid, done;
	ssize_t got;
};

static inline void *wait_for_data(void *arg)
{
	struct waiter *w = arg;
	static char b[4][1 << 16];

	w->tid = syscall(SYS_gettid);
	if (w->poll) {
		struct pollfd p = { .fd = w->fd, .events = POLLIN };

		w->got = poll(&p, 1, -1) == 1 ? p.revents : -1;
	} else {
		w->got = read(w->fd, b[w->fd % 4], sizeof(b[0]));
	}
	w->done = 1;
	return NULL;
}

static inline int waiter_start(struct waiter *w)
{
	return pthread_create(&w->thread, NULL, wait_for_data, w);
}

/* The system call a thread sleeps in; -1 if it runs, or is about to sleep. */
static inline int sleeps_in(int tid)
{
	char path[64];
	int number = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	f = fopen(path, "re");
	if (f) {
		if (fscanf(f, "%d", &number) != 1)
			number = -1;
		fclose(f);
	}
	return number;
}

/* Whether it comes to sleep, and not to its end. */
static inline bool asleep(struct waiter *w)
{
	while (!w->done && (!w->tid || sleeps_in(w->tid) != (w->poll ? SYS_poll : SYS_read)))
		sched_yield();
	return !w->done;
}

static inline int64_t wakeups(void)
{
	return info("w", "cpu0", "wakeups", false);
}

static inline void write_records(struct __test_metadata *_metadata, int dev, int id, int count)
{
	char record[RECORD] = "";

	for (int i = 0; i < count; i++)
		ASSERT_EQ(chan_write(dev, id, record, RECORD), RECORD);
}

static inline int open_own(const char *file, int flags, bool observe, uint64_t own)
{
	int fd = observe ? observer_open(file, flags) : file_open(file, flags);

	if (fd >= 0 && own && ioctl(fd, RELAY_IOC_SET_WATERMARK, &own))
		return -1;
	return fd;
}

#endif
