// SPDX-License-Identifier: GPL-2.0
/*
 * Nobody who waits in user space is forgotten, by the million: each way to wait, for each kind of
 * file, by each delivery. A writer puts down what is worth one wake-up as soon as the reader has
 * taken the last, a little later each time, so that it meets the reader at all places of its way
 * to sleep. Nothing else would wake it for a minute.
 *
 * WAKE_ROUNDS: rounds of each variant, 10000000 if not set. Less of all on slow kernels.
 * WAKE_MS: after how long each variant ends all the same; 0: never. 400 if not set.
 */

#include <liburing.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include "streamtest.h"

#define LOOKS	10	/* seconds in which a sleeper beside its data is found */
#define STUCK	300	/* seconds without progress for which there must be a reason */

/* What is worth one wake-up. */
struct work {
	const char *file;
	uint32_t flags;
	uint64_t watermark;	/* bytes; 0: the delivery's */
	uint32_t len, n;	/* of a record, and how many */
	uint32_t behind;	/* how many rounds the reader is allowed to be behind */
	bool flush;		/* each round */
};

#define RAW	RELAY_MODE_NO_OVERWRITE
#define RECORDS	(RELAY_MODE_NO_OVERWRITE | RELAY_FORMAT_RECORDS)

/* Each write; a watermark, to the byte; a sub-buffer, of two records. */
static const struct work buffer_packet = {
	.file = "s.d/cpu0", .flags = RAW | RELAY_DELIVERY_PACKET, .len = 8, .n = 1,
};

static const struct work buffer_watermark = {
	.file = "s.d/cpu0", .flags = RAW, .watermark = 512, .len = 512, .n = 1,
};

static const struct work buffer_bulk = {
	.file = "s.d/cpu0", .flags = RAW, .len = SUBBUF / 2, .n = 2,
};

static const struct work whole_packet = {
	.file = "s", .flags = RAW | RELAY_DELIVERY_PACKET, .len = 8, .n = 1,
};

static const struct work whole_watermark = {
	.file = "s", .flags = RAW, .watermark = 512, .len = 512, .n = 1,
};

static const struct work whole_bulk = {
	.file = "s", .flags = RAW, .len = SUBBUF / 2, .n = 2,
};

/* Of packets only a complete one wakes: when the next begins, or by a flush. */
/* Each has room for one of these records. */
static const struct work records_bulk = {
	.file = "s", .flags = RECORDS, .len = SUBBUF / 2, .n = 1, .behind = 1,
};

static const struct work records_flush = {
	.file = "s", .flags = RECORDS, .len = 8, .n = 1, .flush = true,
};

/* What the two share. Each word has one writer. */
struct game {
	struct stream s;
	const struct way *way;
	const struct work *work;
	bool packets, alone;	/* alone: there is one processor */
	uint32_t awaited;	/* payload bytes of a round */

	struct io_uring ring;
	int ep;
	pthread_t thread;
	pid_t tid;
	uint64_t taken;		/* payload bytes; what the writer waits for */
	uint64_t wrong;		/* words that were not of their round */
	uint64_t returns;	/* of waits */
	long sleeps;
	char text[2 * SUBBUF];
};

/* A way to wait: how what is needed for that is made, and how it waits and takes; as read(). */
struct way {
	int (*make)(struct game *g);
	ssize_t (*take)(struct game *g);
	bool looks;		/* waits first, and then reads */
};

static int make_nothing(struct game *g)
{
	(void)g;
	return 0;
}

static ssize_t take_by_read(struct game *g)
{
	return read(g->s.fd, g->text, sizeof(g->text));
}

static ssize_t take_by_poll(struct game *g)
{
	struct pollfd p = { .fd = g->s.fd, .events = POLLIN };

	if (poll(&p, 1, -1) != 1)
		return -1;
	return read(g->s.fd, g->text, sizeof(g->text));
}

static int make_epoll_for(struct game *g, uint32_t events)
{
	struct epoll_event event = { .events = events };

	g->ep = epoll_create1(EPOLL_CLOEXEC);
	return epoll_ctl(g->ep, EPOLL_CTL_ADD, g->s.fd, &event);
}

static int make_epoll(struct game *g)
{
	return make_epoll_for(g, EPOLLIN);
}

static int make_epoll_edge(struct game *g)
{
	return make_epoll_for(g, EPOLLIN | EPOLLET);
}

static ssize_t take_by_epoll(struct game *g)
{
	struct epoll_event event;

	if (epoll_wait(g->ep, &event, 1, -1) != 1)
		return -1;
	return read(g->s.fd, g->text, sizeof(g->text));
}

/* An edge is told once: all that is there must be taken before the next wait. */
static ssize_t take_by_edge(struct game *g)
{
	ssize_t n = read(g->s.fd, g->text, sizeof(g->text));

	return n < 0 && errno == EAGAIN ? take_by_epoll(g) : n;
}

static int make_ring(struct game *g)
{
	return io_uring_queue_init(4, &g->ring, 0);
}

/* What becomes of the request that was prepared. */
static ssize_t ring_result(struct game *g)
{
	struct io_uring_cqe *cqe;
	ssize_t result;

	if (io_uring_submit_and_wait(&g->ring, 1) < 0 || io_uring_peek_cqe(&g->ring, &cqe))
		return -1;
	result = cqe->res;
	io_uring_cqe_seen(&g->ring, cqe);
	return result;
}

static ssize_t take_by_uring_read(struct game *g)
{
	io_uring_prep_read(io_uring_get_sqe(&g->ring), g->s.fd, g->text, sizeof(g->text), -1);
	return ring_result(g);
}

static ssize_t take_by_uring_poll(struct game *g)
{
	io_uring_prep_poll_add(io_uring_get_sqe(&g->ring), g->s.fd, POLLIN);
	if (ring_result(g) <= 0)
		return -1;
	return read(g->s.fd, g->text, sizeof(g->text));
}

static const struct way by_read = { make_nothing, take_by_read, false };
static const struct way by_poll = { make_nothing, take_by_poll, true };
static const struct way by_epoll = { make_epoll, take_by_epoll, true };
static const struct way by_epoll_edge = { make_epoll_edge, take_by_edge, true };
static const struct way by_uring_read = { make_ring, take_by_uring_read, false };
static const struct way by_uring_poll = { make_ring, take_by_uring_poll, true };

/* All words of what a record, or part of one, holds are the number of its round. */
static void check_payload(struct game *g, const char *at, size_t len, uint64_t *taken)
{
	for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, at + i, sizeof(word));
		if (word != (*taken + i) / g->awaited)
			g->wrong++;
	}
	*taken += len;
}

/* The same of all events of a packet, which read() gives as a whole. */
static size_t check_packet(struct game *g, const char *at, uint64_t *taken)
{
	const struct relayfs_packet *p = (const void *)at;
	size_t pos = sizeof(*p), size = p->content_size / 8;

	while (pos < size) {
		const struct relayfs_event *e = (const void *)(at + pos);

		pos += sizeof(*e);
		check_payload(g, at + pos, e->len, taken);
		pos += (e->len + 7) & ~7u;
	}
	return p->packet_size / 8;
}

static void *reader_run(void *arg)
{
	struct game *g = arg;
	uint64_t taken = 0;
	struct rusage used;
	ssize_t n;

	/* Elsewhere than who writes, if there is such a place. */
	pin_to_cpu(cpus() - 1);
	__atomic_store_n(&g->tid, gettid(), __ATOMIC_RELEASE);
	while ((n = g->way->take(g))) {
		g->returns++;
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0)
			break;
		if (!g->packets)
			check_payload(g, g->text, n, &taken);
		else
			for (ssize_t at = 0; at < n;)
				at += check_packet(g, g->text + at, &taken);
		/* The next round begins here, while this one is on its way to sleep. */
		__atomic_store_n(&g->taken, taken, __ATOMIC_RELEASE);
	}
	getrusage(RUSAGE_THREAD, &used);
	g->sleeps = used.ru_nvcsw;
	return NULL;
}

/* Looks once a second at a reader that has not come on; true if it never will. */
struct watch {
	double next;
	unsigned int still, beside;
};

static bool is_lost(struct game *g, struct watch *w)
{
	int readable = 0;

	if (seconds() < w->next)
		return false;
	w->next = seconds() + 1;
	/* FIONREAD puts down no wish and wakes nobody. */
	ioctl(g->s.fd, FIONREAD, &readable);
	w->beside = readable && task_state(g->tid) == 'S' ? w->beside + 1 : 0;
	return w->beside >= LOOKS || ++w->still >= STUCK;
}

/* True when the reader has taken so much, or more. */
static bool await_taken(struct game *g, uint64_t much)
{
	struct watch w = { .next = seconds() + 1 };

	for (unsigned int i = 1; __atomic_load_n(&g->taken, __ATOMIC_ACQUIRE) < much; i++) {
		if (i % 1024 == 0 && is_lost(g, &w))
			return false;
		sched_yield();
	}
	return true;
}

static uint64_t setting(const char *name, uint64_t usual)
{
	const char *value = getenv(name);

	return value ? strtoull(value, NULL, 10) : scaled(usual);
}

FIXTURE(rounds)
{
	struct game g;
};

FIXTURE_VARIANT(rounds)
{
	const struct way *way;
	const struct work *work;
};

FIXTURE_VARIANT_ADD(rounds, read_buffer_packet) { &by_read, &buffer_packet };
FIXTURE_VARIANT_ADD(rounds, read_buffer_watermark) { &by_read, &buffer_watermark };
FIXTURE_VARIANT_ADD(rounds, read_buffer_bulk) { &by_read, &buffer_bulk };
FIXTURE_VARIANT_ADD(rounds, read_whole_packet) { &by_read, &whole_packet };
FIXTURE_VARIANT_ADD(rounds, read_whole_watermark) { &by_read, &whole_watermark };
FIXTURE_VARIANT_ADD(rounds, read_whole_bulk) { &by_read, &whole_bulk };
FIXTURE_VARIANT_ADD(rounds, read_records_bulk) { &by_read, &records_bulk };
FIXTURE_VARIANT_ADD(rounds, read_records_flush) { &by_read, &records_flush };

FIXTURE_VARIANT_ADD(rounds, poll_buffer_packet) { &by_poll, &buffer_packet };
FIXTURE_VARIANT_ADD(rounds, poll_buffer_watermark) { &by_poll, &buffer_watermark };
FIXTURE_VARIANT_ADD(rounds, poll_buffer_bulk) { &by_poll, &buffer_bulk };
FIXTURE_VARIANT_ADD(rounds, poll_whole_packet) { &by_poll, &whole_packet };
FIXTURE_VARIANT_ADD(rounds, poll_whole_watermark) { &by_poll, &whole_watermark };
FIXTURE_VARIANT_ADD(rounds, poll_whole_bulk) { &by_poll, &whole_bulk };
FIXTURE_VARIANT_ADD(rounds, poll_records_bulk) { &by_poll, &records_bulk };
FIXTURE_VARIANT_ADD(rounds, poll_records_flush) { &by_poll, &records_flush };

FIXTURE_VARIANT_ADD(rounds, epoll_buffer_packet) { &by_epoll, &buffer_packet };
FIXTURE_VARIANT_ADD(rounds, epoll_buffer_watermark) { &by_epoll, &buffer_watermark };
FIXTURE_VARIANT_ADD(rounds, epoll_buffer_bulk) { &by_epoll, &buffer_bulk };
FIXTURE_VARIANT_ADD(rounds, epoll_whole_packet) { &by_epoll, &whole_packet };
FIXTURE_VARIANT_ADD(rounds, epoll_whole_watermark) { &by_epoll, &whole_watermark };
FIXTURE_VARIANT_ADD(rounds, epoll_whole_bulk) { &by_epoll, &whole_bulk };
FIXTURE_VARIANT_ADD(rounds, epoll_records_bulk) { &by_epoll, &records_bulk };
FIXTURE_VARIANT_ADD(rounds, epoll_records_flush) { &by_epoll, &records_flush };

FIXTURE_VARIANT_ADD(rounds, epoll_edge_buffer_packet) { &by_epoll_edge, &buffer_packet };
FIXTURE_VARIANT_ADD(rounds, epoll_edge_buffer_watermark) { &by_epoll_edge, &buffer_watermark };
FIXTURE_VARIANT_ADD(rounds, epoll_edge_buffer_bulk) { &by_epoll_edge, &buffer_bulk };
FIXTURE_VARIANT_ADD(rounds, epoll_edge_whole_packet) { &by_epoll_edge, &whole_packet };
FIXTURE_VARIANT_ADD(rounds, epoll_edge_whole_watermark) { &by_epoll_edge, &whole_watermark };
FIXTURE_VARIANT_ADD(rounds, epoll_edge_whole_bulk) { &by_epoll_edge, &whole_bulk };
FIXTURE_VARIANT_ADD(rounds, epoll_edge_records_bulk) { &by_epoll_edge, &records_bulk };
FIXTURE_VARIANT_ADD(rounds, epoll_edge_records_flush) { &by_epoll_edge, &records_flush };

FIXTURE_VARIANT_ADD(rounds, uring_read_buffer_packet) { &by_uring_read, &buffer_packet };
FIXTURE_VARIANT_ADD(rounds, uring_read_buffer_watermark) { &by_uring_read, &buffer_watermark };
FIXTURE_VARIANT_ADD(rounds, uring_read_buffer_bulk) { &by_uring_read, &buffer_bulk };
FIXTURE_VARIANT_ADD(rounds, uring_read_whole_packet) { &by_uring_read, &whole_packet };
FIXTURE_VARIANT_ADD(rounds, uring_read_whole_watermark) { &by_uring_read, &whole_watermark };
FIXTURE_VARIANT_ADD(rounds, uring_read_whole_bulk) { &by_uring_read, &whole_bulk };
FIXTURE_VARIANT_ADD(rounds, uring_read_records_bulk) { &by_uring_read, &records_bulk };
FIXTURE_VARIANT_ADD(rounds, uring_read_records_flush) { &by_uring_read, &records_flush };

FIXTURE_VARIANT_ADD(rounds, uring_poll_buffer_packet) { &by_uring_poll, &buffer_packet };
FIXTURE_VARIANT_ADD(rounds, uring_poll_buffer_watermark) { &by_uring_poll, &buffer_watermark };
FIXTURE_VARIANT_ADD(rounds, uring_poll_buffer_bulk) { &by_uring_poll, &buffer_bulk };
FIXTURE_VARIANT_ADD(rounds, uring_poll_whole_packet) { &by_uring_poll, &whole_packet };
FIXTURE_VARIANT_ADD(rounds, uring_poll_whole_watermark) { &by_uring_poll, &whole_watermark };
FIXTURE_VARIANT_ADD(rounds, uring_poll_whole_bulk) { &by_uring_poll, &whole_bulk };
FIXTURE_VARIANT_ADD(rounds, uring_poll_records_bulk) { &by_uring_poll, &records_bulk };
FIXTURE_VARIANT_ADD(rounds, uring_poll_records_flush) { &by_uring_poll, &records_flush };

FIXTURE_SETUP(rounds)
{
	const struct work *work = variant->work;
	struct game *g = &self->g;
	struct stream_kind kind = {
		.file = work->file, .flags = work->flags, .watermark = work->watermark,
		.watermark_unit = work->watermark ? RELAY_WATERMARK_BYTES : 0,
	};

	g->way = variant->way;
	g->work = work;
	g->packets = work->flags & RELAY_FORMAT_RECORDS;
	g->alone = cpus() == 1;
	g->awaited = work->len * work->n;
	ASSERT_EQ(stream_open_as(&g->s, &kind, O_RDONLY | (variant->way->looks ? O_NONBLOCK : 0)),
		  0);
	ASSERT_EQ(g->way->make(g), 0);
	ASSERT_EQ(pthread_create(&g->thread, NULL, reader_run, g), 0);
	while (!__atomic_load_n(&g->tid, __ATOMIC_ACQUIRE))
		usleep(1000);
}

FIXTURE_TEARDOWN(rounds)
{
	stream_close(&self->g.s);
}

/* For a while that differs from round to round. */
static void linger(uint64_t round)
{
	for (unsigned int i = 0; i < round * 37 % 2048; i++)
		asm volatile("" : : "r"(i));
}

static bool play(struct game *g, uint64_t round)
{
	uint64_t record[SUBBUF / sizeof(uint64_t)];

	for (size_t i = 0; i < g->work->len / sizeof(uint64_t); i++)
		record[i] = round;
	if (!g->alone)
		linger(round);
	for (uint32_t i = 0; i < g->work->n; i++)
		if (chan_write(g->s.dev, g->s.id, record, g->work->len) != g->work->len)
			return false;
	return !g->work->flush || !chan_flush(g->s.dev, g->s.id);
}

TEST_F_TIMEOUT(rounds, none_lost, 3600)
{
	struct game *g = &self->g;
	uint64_t rounds = setting("WAKE_ROUNDS", 10000000), ms = setting("WAKE_MS", 400);
	double begin = seconds();
	uint64_t done, lost = 0;
	int64_t wakeups;

	for (done = 0; done < rounds && !lost; done++) {
		if (ms && seconds() - begin > ms / 1e3)
			break;
		ASSERT_TRUE(play(g, done));
		lost = !await_taken(g, (done + 1 - g->work->behind) * g->awaited);
	}
	wakeups = info("s", "total", "wakeups", false);
	/* Who still waits finds the end of its file. */
	ASSERT_EQ(chan_close(g->s.dev, g->s.id), 0);
	ASSERT_EQ(pthread_join(g->thread, NULL), 0);
	TH_LOG("%lu rounds, %.1f us each; %ld wake-ups, %ld sleeps, %lu returns",
	       (unsigned long)done, (seconds() - begin) * 1e6 / done, (long)wakeups, g->sleeps,
	       (unsigned long)g->returns);
	EXPECT_EQ(lost, 0);
	EXPECT_EQ(g->wrong, 0);
	EXPECT_GT(done, 0);
	EXPECT_GT(wakeups, 0);
	EXPECT_LE(wakeups, (int64_t)done);
	/* Who reads one buffer sleeps only for that, and for what a thread needs to begin. */
	if (strcmp(g->work->file, "s"))
		EXPECT_LE(g->sleeps, (int64_t)done + 16);
}

TEST_HARNESS_MAIN
