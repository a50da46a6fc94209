// SPDX-License-Identifier: GPL-2.0
/* Users write where there is no room: who waits, what ends that, what poll tells; many at once. */

#include <signal.h>

#include "userwrite_rig.h"

struct writer {
	pthread_t thread;
	int fd;
	long result;
	int error;
	int done;
	pid_t tid;
};

static void *write_one(void *arg)
{
	struct writer *w = arg;

	pin_to_cpu(0);
	__atomic_store_n(&w->tid, gettid(), __ATOMIC_RELEASE);
	w->result = write(w->fd, record, 512);
	w->error = errno;
	__atomic_store_n(&w->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void start_writing(struct writer *w)
{
	*w = (struct writer){ .fd = file_open("w", O_WRONLY) };
	pthread_create(&w->thread, NULL, write_one, w);
	while (!__atomic_load_n(&w->tid, __ATOMIC_ACQUIRE))
		usleep(1000);
}

/* A writer that has to wait. */
static struct writer *start_waiting(struct writer *w)
{
	start_writing(w);
	if (!await_sleep(w->tid, 'S'))
		abort();
	return w;
}

TEST_F(userwrite, a_full_buffer_makes_it_wait_for_room)
{
	int n = fill(self->fd);
	struct writer w;

	start_waiting(&w);
	EXPECT_EQ(w.done, 0);
	EXPECT_EQ(read(self->fd, in, SUBBUF), SUBBUF);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.result, 512);
	EXPECT_EQ(cb_count(self->dev, CB_USER_DELIVER), n + 1);
	EXPECT_EQ(info("w", "cpu0", "produced", false), n + 1);
	EXPECT_EQ(info("w", "cpu0", "full", false), 0);
	close(w.fd);
}

static void nothing(int signal)
{
	(void)signal;
}

TEST_F(userwrite, a_signal_ends_the_wait)
{
	struct sigaction action = { .sa_handler = nothing };
	int n = fill(self->fd);
	struct writer w;

	sigaction(SIGUSR1, &action, NULL);
	start_waiting(&w);
	pthread_kill(w.thread, SIGUSR1);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.result, -1);
	EXPECT_EQ(w.error, EINTR);
	close(w.fd);
	/* Or it goes on, and writes once. */
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &action, NULL);
	start_waiting(&w);
	pthread_kill(w.thread, SIGUSR1);
	usleep(50000);
	EXPECT_EQ(w.done, 0);
	EXPECT_EQ(read(self->fd, in, SUBBUF), SUBBUF);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.result, 512);
	EXPECT_EQ(info("w", "cpu0", "produced", false), n + 1);
	close(w.fd);
}

static void *do_close(void *arg)
{
	return (void *)cb(*(int *)arg, CB_CLOSE);
}

TEST_F(userwrite, the_end_of_the_channel_ends_it)
{
	struct writer w;
	pthread_t closer;

	fill(self->fd);
	start_waiting(&w);
	/* A signal would be the end of this test. */
	signal(SIGPIPE, SIG_DFL);
	ASSERT_EQ(pthread_create(&closer, NULL, do_close, &self->dev), 0);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.result, -1);
	EXPECT_EQ(w.error, EPIPE);
	pthread_join(closer, NULL);
	EXPECT_EQ(write(self->fd, record, 1), -1);
	EXPECT_EQ(errno, EPIPE);
	EXPECT_EQ(write(self->fd, record, 0), 0);
	close(w.fd);
}

TEST_F(userwrite, the_end_waits_for_the_client_to_be_told)
{
	struct writer w;
	pthread_t closer;

	ASSERT_EQ(cb_behave(self->dev, (struct cb_behave){ .hold = 1 << CB_USER_DELIVER }), 0);
	start_writing(&w);
	while (cb(self->dev, CB_INSIDE) != 1)
		usleep(1000);
	ASSERT_EQ(pthread_create(&closer, NULL, do_close, &self->dev), 0);
	while (file_exists("w"))
		usleep(1000);
	usleep(50000);
	EXPECT_EQ(pthread_tryjoin_np(closer, NULL), EBUSY);
	EXPECT_EQ(w.done, 0);
	ASSERT_EQ(cb_behave(self->dev, (struct cb_behave){}), 0);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.result, 512);
	pthread_join(closer, NULL);
	close(w.fd);
}

static int events_of(int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, ms) < 0 ? -1 : p.revents;
}

TEST_F(userwrite, poll_tells_of_room)
{
	int reader = file_open("w", O_RDONLY);

	EXPECT_EQ(events_of(self->fd, POLLOUT | POLLPRI, 0), POLLOUT);
	/* Who cannot write is not told that it could. */
	EXPECT_EQ(events_of(reader, POLLOUT | POLLPRI, 0), 0);
	fill(self->fd);
	EXPECT_EQ(events_of(self->fd, POLLOUT | POLLPRI, 0), POLLPRI);
	EXPECT_EQ(events_of(reader, POLLOUT | POLLPRI | POLLIN, 0), POLLPRI | POLLIN);
	EXPECT_EQ(read(self->fd, in, SUBBUF), SUBBUF);
	EXPECT_EQ(events_of(self->fd, POLLOUT | POLLPRI, 0), POLLOUT);
	ASSERT_EQ(cb(self->dev, CB_CLOSE), 0);
	/* It would not wait. */
	EXPECT_EQ(events_of(self->fd, POLLOUT, 0), POLLOUT);
	close(reader);
}

struct poller {
	pthread_t thread;
	int fd;
	short events;
	int result;
	bool started;
	bool epoll;
};

static void *wait_for_events(void *arg)
{
	struct poller *p = arg;
	struct epoll_event event = { .events = p->events };
	int ep = epoll_create1(0);

	epoll_ctl(ep, EPOLL_CTL_ADD, p->fd, &event);
	__atomic_store_n(&p->started, true, __ATOMIC_RELEASE);
	if (p->epoll)
		p->result = epoll_wait(ep, &event, 1, -1) == 1 ? (int)event.events : -1;
	else
		p->result = events_of(p->fd, p->events, -1);
	close(ep);
	return NULL;
}

static void start_poller(struct poller *p)
{
	pthread_create(&p->thread, NULL, wait_for_events, p);
	while (!__atomic_load_n(&p->started, __ATOMIC_ACQUIRE))
		usleep(1000);
	usleep(20000);
}

TEST_F(userwrite, pollers_are_woken)
{
	for (int i = 0; i < 8; i++) {
		struct poller full = { .fd = self->fd, .events = POLLPRI, .epoll = i & 1 };
		struct poller room = { .fd = self->fd, .events = POLLOUT, .epoll = i & 1 };

		/* Also when there is data, which nobody reads. */
		if (i & 2)
			ASSERT_EQ(write(self->fd, record, 1), 1);
		start_poller(&full);
		fill(self->fd);
		pthread_join(full.thread, NULL);
		EXPECT_EQ(full.result, POLLPRI);
		start_poller(&room);
		while (read(self->fd, in, sizeof(in)) > 0)
			;
		pthread_join(room.thread, NULL);
		EXPECT_EQ(room.result, POLLOUT);
	}
}

#define TASKS	4
#define EACH	400

static void *write_numbers(void *arg)
{
	struct writer *w = arg;

	for (uint32_t i = 0; i < EACH; i++) {
		uint32_t r[64] = { w->done, i };
		size_t len = 8 + (i * 7 + w->done) % 240;

		r[1] |= len << 16;
		memset(r + 2, i, sizeof(r) - 8);
		if (write(w->fd, r, len) == (ssize_t)len)
			w->result++;
	}
	return NULL;
}

TEST_F(userwrite, many_tasks_at_once)
{
	struct writer w[TASKS];
	uint32_t next[TASKS] = {};
	size_t have = 0, at;
	int left = TASKS * EACH;

	for (int i = 0; i < TASKS; i++) {
		w[i] = (struct writer){ .fd = file_open("w", O_WRONLY), .done = i };
		ASSERT_EQ(pthread_create(&w[i].thread, NULL, write_numbers, &w[i]), 0);
	}
	while (left) {
		ssize_t n;

		events_of(self->fd, POLLIN, -1);
		n = read(self->fd, in + have, sizeof(in) - have);
		if (n > 0)
			have += n;
		for (at = 0; at + 8 <= have; left--) {
			uint32_t r[2], len;

			memcpy(r, in + at, 8);
			len = r[1] >> 16;
			if (at + len > have)
				break;
			ASSERT_LT(r[0], TASKS);
			ASSERT_LT(len, 256);
			/* A task may change its CPU, but what is in one buffer is in order. */
			next[r[0]]++;
			for (uint32_t i = 8; i < len; i++)
				ASSERT_EQ(in[at + i], (char)r[1]);
			at += len;
		}
		memmove(in, in + at, have - at);
		have -= at;
	}
	EXPECT_EQ(have, 0);
	for (int i = 0; i < TASKS; i++) {
		pthread_join(w[i].thread, NULL);
		EXPECT_EQ(w[i].result, EACH);
		EXPECT_EQ(next[i], EACH);
		close(w[i].fd);
	}
	EXPECT_EQ(cb_count(self->dev, CB_USER_DELIVER), TASKS * EACH);
}

TEST_HARNESS_MAIN
