// SPDX-License-Identifier: GPL-2.0
/* Who is told by edges: O_ASYNC, epoll with EPOLLET, multishot polls of io_uring. */

#include "waiters.h"

/* A way to be told, once for each delivery. */
struct edges {
	int fd;
	int epoll;
	struct io_uring ring;
};

struct edge_kind {
	bool (*begin)(struct edges *e);
	/* What it was told next, waiting for that; 0: nothing for so many seconds. */
	int (*next)(struct edges *e, int seconds);
	void (*end)(struct edges *e);
};

static bool signal_begin(struct edges *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return !async_on(e->fd, SIGRTMIN);
}

static int signal_next(struct edges *e, int seconds)
{
	struct timespec t = { .tv_sec = seconds };
	siginfo_t told;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	if (sigtimedwait(&set, &told, &t) != SIGRTMIN)
		return 0;
	if (told.si_fd != e->fd || told.si_code != (told.si_band & POLLHUP ? POLL_HUP : POLL_IN))
		return -1;
	return told.si_band & (POLLIN | POLLHUP);
}

static void signal_end(struct edges *e)
{
	fcntl(e->fd, F_SETFL, fcntl(e->fd, F_GETFL) & ~O_ASYNC);
}

static bool epoll_begin(struct edges *e)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };

	e->epoll = epoll_create1(EPOLL_CLOEXEC);
	return !epoll_ctl(e->epoll, EPOLL_CTL_ADD, e->fd, &event);
}

static int epoll_next(struct edges *e, int seconds)
{
	struct epoll_event event;

	return epoll_wait(e->epoll, &event, 1, seconds * 1000) == 1 ? (int)event.events : 0;
}

static void epoll_end(struct edges *e)
{
	close(e->epoll);
}

static bool uring_begin(struct edges *e)
{
	if (io_uring_queue_init(4, &e->ring, 0))
		return false;
	io_uring_prep_poll_multishot(io_uring_get_sqe(&e->ring), e->fd, POLLIN);
	return io_uring_submit(&e->ring) == 1;
}

static int uring_next(struct edges *e, int seconds)
{
	struct __kernel_timespec t = { .tv_sec = seconds };
	struct io_uring_cqe *cqe;
	int told;

	if (io_uring_wait_cqe_timeout(&e->ring, &cqe, &t))
		return 0;
	told = cqe->res;
	io_uring_cqe_seen(&e->ring, cqe);
	return told;
}

static void uring_end(struct edges *e)
{
	io_uring_queue_exit(&e->ring);
}

static const struct edge_kind by_signals = { signal_begin, signal_next, signal_end };
static const struct edge_kind by_epoll_edges = { epoll_begin, epoll_next, epoll_end };
static const struct edge_kind by_multishot = { uring_begin, uring_next, uring_end };

static const struct stream_kind records = {
	.file = "s.d/cpu0", .flags = RELAY_MODE_NO_OVERWRITE | RELAY_FORMAT_RECORDS,
};

static const struct stream_kind records_whole = {
	.file = "s", .flags = RELAY_MODE_NO_OVERWRITE | RELAY_FORMAT_RECORDS,
};

FIXTURE(edges)
{
	struct stream s;
	struct edges e;
};

FIXTURE_VARIANT(edges)
{
	const struct edge_kind *by;
	const struct stream_kind *kind;
};

FIXTURE_VARIANT_ADD(edges, signals_of_buffer) { .by = &by_signals, .kind = &stream_buffer };
FIXTURE_VARIANT_ADD(edges, signals_of_whole) { .by = &by_signals, .kind = &stream_whole };
FIXTURE_VARIANT_ADD(edges, signals_of_global) { .by = &by_signals, .kind = &stream_global };
FIXTURE_VARIANT_ADD(edges, signals_of_records) { .by = &by_signals, .kind = &records };
FIXTURE_VARIANT_ADD(edges, signals_of_all_records)
{
	.by = &by_signals, .kind = &records_whole,
};

FIXTURE_VARIANT_ADD(edges, epoll_edges_of_buffer) { .by = &by_epoll_edges, .kind = &stream_buffer };
FIXTURE_VARIANT_ADD(edges, epoll_edges_of_whole) { .by = &by_epoll_edges, .kind = &stream_whole };
FIXTURE_VARIANT_ADD(edges, epoll_edges_of_global) { .by = &by_epoll_edges, .kind = &stream_global };
FIXTURE_VARIANT_ADD(edges, epoll_edges_of_records) { .by = &by_epoll_edges, .kind = &records };
FIXTURE_VARIANT_ADD(edges, epoll_edges_of_all_records)
{
	.by = &by_epoll_edges, .kind = &records_whole,
};

FIXTURE_VARIANT_ADD(edges, multishot_of_buffer) { .by = &by_multishot, .kind = &stream_buffer };
FIXTURE_VARIANT_ADD(edges, multishot_of_whole) { .by = &by_multishot, .kind = &stream_whole };
FIXTURE_VARIANT_ADD(edges, multishot_of_global) { .by = &by_multishot, .kind = &stream_global };
FIXTURE_VARIANT_ADD(edges, multishot_of_records) { .by = &by_multishot, .kind = &records };
FIXTURE_VARIANT_ADD(edges, multishot_of_all_records)
{
	.by = &by_multishot, .kind = &records_whole,
};

FIXTURE_SETUP(edges)
{
	ASSERT_EQ(stream_open_as(&self->s, variant->kind, O_RDONLY | O_NONBLOCK), 0);
	self->e.fd = self->s.fd;
	ASSERT_TRUE(variant->by->begin(&self->e));
}

FIXTURE_TEARDOWN(edges)
{
	variant->by->end(&self->e);
	stream_close(&self->s);
}

static int readable(int told)
{
	return told & (POLLIN | POLLHUP);
}

TEST_F(edges, one_for_each_delivery_though_nothing_is_read)
{
	EXPECT_EQ(variant->by->next(&self->e, 0), 0);
	for (int i = 0; i < N_SUBBUFS - 1; i++) {
		stream_put(&self->s, "x");
		EXPECT_EQ(chan_flush(self->s.dev, self->s.id), 0);
		EXPECT_EQ(readable(variant->by->next(&self->e, WAIT_SECONDS)), POLLIN);
		EXPECT_EQ(variant->by->next(&self->e, 0), 0);
	}
}

TEST_F(edges, none_for_less_than_the_watermark)
{
	char b[SUBBUF];

	stream_put(&self->s, "x");
	EXPECT_EQ(variant->by->next(&self->e, 0), 0);
	EXPECT_EQ(chan_flush(self->s.dev, self->s.id), 0);
	EXPECT_EQ(readable(variant->by->next(&self->e, WAIT_SECONDS)), POLLIN);
	/* Nor when it is read. */
	EXPECT_GT(read(self->s.fd, b, sizeof(b)), 0);
	EXPECT_EQ(variant->by->next(&self->e, 0), 0);
	stream_put(&self->s, "x");
	EXPECT_EQ(variant->by->next(&self->e, 0), 0);
}

TEST_F(edges, less_comes_after_the_flush_interval_each_time)
{
	uint32_t ms = 10;

	ASSERT_EQ(ioctl(self->s.fd, RELAY_IOC_SET_FLUSH_INTERVAL, &ms), 0);
	for (int i = 0; i < 3; i++) {
		stream_put(&self->s, "x");
		EXPECT_EQ(readable(variant->by->next(&self->e, WAIT_SECONDS)), POLLIN);
	}
}

TEST_F(edges, the_end_is_told)
{
	char b[SUBBUF];

	stream_put(&self->s, "x");
	EXPECT_EQ(chan_close(self->s.dev, self->s.id), 0);
	EXPECT_EQ(readable(variant->by->next(&self->e, WAIT_SECONDS)), POLLIN);
	EXPECT_GT(read(self->s.fd, b, sizeof(b)), 0);
	EXPECT_EQ(read(self->s.fd, b, sizeof(b)), 0);
}

TEST_F(edges, the_end_of_what_was_read)
{
	EXPECT_EQ(chan_close(self->s.dev, self->s.id), 0);
	EXPECT_EQ(readable(variant->by->next(&self->e, WAIT_SECONDS)), POLLHUP);
}

FIXTURE(async)
{
	struct stream s;
	sigset_t set;
};

FIXTURE_SETUP(async)
{
	ASSERT_EQ(stream_open_as(&self->s, &stream_whole, O_RDONLY | O_NONBLOCK), 0);
	sigemptyset(&self->set);
	sigaddset(&self->set, SIGIO);
	sigaddset(&self->set, SIGRTMIN);
	sigaddset(&self->set, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &self->set, NULL);
}

FIXTURE_TEARDOWN(async)
{
	stream_close(&self->s);
}

static int next_signal(const sigset_t *set, int seconds)
{
	struct timespec t = { .tv_sec = seconds };
	siginfo_t told;
	int sig = sigtimedwait(set, &told, &t);

	return sig < 0 ? 0 : sig;
}

static void deliver(const struct stream *s)
{
	stream_put(s, "x");
	chan_flush(s->dev, s->id);
}

TEST_F(async, sigio_by_ioctl_and_off_again)
{
	int on = 1, off = 0;

	ASSERT_EQ(fcntl(self->s.fd, F_SETOWN, getpid()), 0);
	deliver(&self->s);
	EXPECT_EQ(next_signal(&self->set, 0), 0);
	ASSERT_EQ(ioctl(self->s.fd, FIOASYNC, &on), 0);
	EXPECT_EQ(fcntl(self->s.fd, F_GETFL) & O_ASYNC, O_ASYNC);
	ASSERT_EQ(ioctl(self->s.fd, FIOASYNC, &on), 0);
	/* What was there before is not news. */
	EXPECT_EQ(next_signal(&self->set, 0), 0);
	deliver(&self->s);
	EXPECT_EQ(next_signal(&self->set, WAIT_SECONDS), SIGIO);
	ASSERT_EQ(ioctl(self->s.fd, FIOASYNC, &off), 0);
	ASSERT_EQ(ioctl(self->s.fd, FIOASYNC, &off), 0);
	deliver(&self->s);
	EXPECT_EQ(next_signal(&self->set, 0), 0);
	EXPECT_EQ(fcntl(self->s.fd, F_GETFL) & O_ASYNC, 0);
}

TEST_F(async, each_file_tells_its_own_owner)
{
	int other = observer_open("s.d/cpu0", O_RDONLY | O_NONBLOCK);
	uint64_t bytes = SUBBUF / 2;
	bool first = false, second = false;

	ASSERT_EQ(async_on(self->s.fd, SIGRTMIN), 0);
	ASSERT_EQ(async_on(other, SIGRTMIN + 1), 0);
	deliver(&self->s);
	for (int i = 0; i < 2; i++) {
		int sig = next_signal(&self->set, WAIT_SECONDS);

		first |= sig == SIGRTMIN;
		second |= sig == SIGRTMIN + 1;
	}
	EXPECT_TRUE(first && second);
	/* By its own watermark; the whole is told as well, as it is there. */
	ASSERT_EQ(ioctl(other, RELAY_IOC_SET_WATERMARK, &bytes), 0);
	while (next_signal(&self->set, 0))
		;
	ASSERT_EQ(stream_fill(&self->s, 0, SUBBUF / 2), SUBBUF / 2);
	second = false;
	for (int i = 0; i < 2 && !second; i++)
		second = next_signal(&self->set, WAIT_SECONDS) == SIGRTMIN + 1;
	EXPECT_TRUE(second);
	close(other);
	while (next_signal(&self->set, 0))
		;
	deliver(&self->s);
	EXPECT_EQ(next_signal(&self->set, WAIT_SECONDS), SIGRTMIN);
	EXPECT_EQ(next_signal(&self->set, 0), 0);
}

static void *write_packets(void *arg)
{
	const struct stream *s = arg;

	pin_to_cpu(cpus() - 1);
	while (chan_write(s->dev, s->id, "x", 1) >= 0)
		sched_yield();
	return NULL;
}

/* Files that come and go while signals are sent: a checking kernel looks on. */
TEST_F(async, switched_on_and_off_and_closed_under_fire)
{
	struct stream_kind kind = stream_overwrite;
	struct stream s;
	pthread_t writer;

	stream_close(&self->s);
	kind.flags |= RELAY_DELIVERY_PACKET | RELAY_USAGE_GLOBAL;
	ASSERT_EQ(stream_open_as(&s, &kind, O_RDONLY | O_NONBLOCK), 0);
	ASSERT_EQ(pthread_create(&writer, NULL, write_packets, &s), 0);
	for (unsigned int i = 0; i < scaled(200); i++) {
		int fd = file_open(i % 2 ? "s" : "s.d/cpu0", O_RDONLY | O_NONBLOCK);
		int other = dup(fd);

		ASSERT_EQ(async_on(fd, SIGRTMIN), 0);
		if (i % 4 == 0)
			ASSERT_EQ(next_signal(&self->set, WAIT_SECONDS), SIGRTMIN);
		if (i % 3 == 0)
			fcntl(other, F_SETFL, O_NONBLOCK);
		close(fd);
		close(other);
		while (next_signal(&self->set, 0))
			;
	}
	EXPECT_EQ(chan_close(s.dev, s.id), 0);
	pthread_join(writer, NULL);
	stream_close(&s);
	self->s = (struct stream){ .dev = -1, .fd = -1 };
}

TEST_HARNESS_MAIN
