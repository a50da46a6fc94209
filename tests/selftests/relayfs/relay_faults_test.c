// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel's relay did wrong, one test each: reading at the very end of a sub-buffer while
 * an interrupt writes (CVE-2023-3268), readers that see what the buffer held a lap before, files
 * that can be used before they are ready, and CPUs that lose their buffers when an open fails.
 */

#include <pthread.h>
#include "relaytest.h"

#define SUBBUF	4096
#define LEN	64
#define RECORDS	(100 * SUBBUF / LEN)

FIXTURE(faults)
{
	int dev;
};

FIXTURE_SETUP(faults)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
}

FIXTURE_TEARDOWN(faults)
{
	close(self->dev);
}

/* Writes records 0, 1, ... in hard-irq context of CPU 0. */
struct irq_writer {
	pthread_t thread;
	int dev, id, error;
	bool insists;		/* tries again what was refused */
	bool done;
};

static void *write_from_irqs(void *arg)
{
	struct irq_writer *w = arg;
	struct relaytest_pattern p = { .id = w->id, .cpu = 0, .context = RELAYTEST_HARDIRQ,
				       .count = 1, .len = LEN };

	for (uint32_t next = 0; next < RECORDS && !w->error;) {
		/* A few at a time. */
		p.first = next;
		p.count = w->insists ? 1 : 1 + next % 7;
		if (p.count > RECORDS - next)
			p.count = RECORDS - next;
		if (ioctl(w->dev, RELAYTEST_PATTERN, &p))
			w->error = errno;
		next += w->insists ? p.written : p.count;
	}
	__atomic_store_n(&w->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Reads till the writer is done and nothing is left; no record may come behind a later one. */
static void read_beside(struct __test_metadata *_metadata, struct irq_writer *w, int fd,
			bool to_the_end)
{
	unsigned char stream[2 * SUBBUF];
	uint64_t pos = 0, next = 0, len = 0;
	struct relaytest_record r;
	bool done = false;
	ssize_t got;

	while (true) {
		size_t n = to_the_end ? SUBBUF - pos % SUBBUF : 1 + pos % 100;

		got = read(fd, stream + len, n);
		if (got < 0 && errno == EAGAIN) {
			if (done)
				break;
			done = __atomic_load_n(&w->done, __ATOMIC_ACQUIRE);
			continue;
		}
		ASSERT_GT(got, 0);
		ASSERT_LE(got, (ssize_t)n);
		pos += got;
		len += got;
		while (len >= LEN) {
			ASSERT_EQ(record_check(stream, len), LEN);
			memcpy(&r, stream, sizeof(r));
			ASSERT_GE(r.number, next);
			if (w->insists)
				ASSERT_EQ(r.number, next);
			next = r.number + 1;
			len -= LEN;
			memmove(stream, stream + LEN, len);
		}
	}
	EXPECT_EQ(len, 0);
	EXPECT_EQ(next, RECORDS);
}

static void race(struct __test_metadata *_metadata, int dev, uint32_t mode, bool to_the_end)
{
	struct irq_writer w = { .dev = dev, .insists = mode == RELAY_MODE_NO_OVERWRITE };
	int fd;

	w.id = chan_open(dev, "faults", SUBBUF, 2, mode);
	ASSERT_GE(w.id, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	fd = file_open("faults.d/cpu0", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(pthread_create(&w.thread, NULL, write_from_irqs, &w), 0);
	read_beside(_metadata, &w, fd, to_the_end);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.error, 0);
	close(fd);
}

/* A read that ends where a sub-buffer ends, interrupted by a writer that begins the next. */
TEST_F_TIMEOUT(faults, read_at_the_end_of_a_sub_buffer, 120)
{
	race(_metadata, self->dev, RELAY_MODE_NO_OVERWRITE, true);
}

/* The writer laps the reader, who must not take what a slot held before for what is there now. */
TEST_F_TIMEOUT(faults, nothing_of_a_lap_before, 120)
{
	race(_metadata, self->dev, RELAY_MODE_CONTINUOUS, false);
}

/* Opens, polls and reads a file of a channel that comes and goes. */
struct user {
	pthread_t thread;
	const char *file;
	bool data;		/* has the channel's data */
	bool end;
	unsigned int opened, wrong;
};

static void *use_as_soon_as_it_is_there(void *arg)
{
	struct user *u = arg;

	while (!__atomic_load_n(&u->end, __ATOMIC_RELAXED)) {
		struct pollfd p = { .events = POLLIN };
		char b[4096];
		ssize_t got;

		p.fd = file_open(u->file, O_RDONLY | O_NONBLOCK);
		if (p.fd < 0) {
			u->wrong += errno != ENOENT;
			continue;
		}
		__atomic_fetch_add(&u->opened, 1, __ATOMIC_RELAXED);
		poll(&p, 1, 0);
		u->wrong += !!(p.revents & (POLLERR | POLLNVAL));
		got = read(p.fd, b, sizeof(b));
		if (!u->data)
			u->wrong += got <= 0;
		else if (got < 0)
			u->wrong += errno != EAGAIN;
		else if (got > 0)
			u->wrong += got != 3 || memcmp(b, "new", 3);
		close(p.fd);
	}
	return NULL;
}

/* A file is there for nobody before it can be opened, polled and read. */
TEST_F_TIMEOUT(faults, files_are_ready_when_they_appear, 120)
{
	struct user users[] = {
		{ .file = "faults", .data = true }, { .file = "faults.d/cpu0", .data = true },
		{ .file = "faults.d/info" },
	};
	unsigned int least = 0;

	ASSERT_EQ(pin_to_cpu(0), 0);
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(pthread_create(&users[i].thread, NULL, use_as_soon_as_it_is_there,
					 &users[i]), 0);
	for (int round = 0; round < 100 || least < 100; round++) {
		int id = chan_open(self->dev, "faults", SUBBUF, 2, 0);

		ASSERT_GE(id, 0);
		EXPECT_EQ(chan_write(self->dev, id, "new", 3), 3);
		sched_yield();
		EXPECT_EQ(chan_close(self->dev, id), 0);
		least = ~0u;
		for (int i = 0; i < 3; i++) {
			unsigned int n = __atomic_load_n(&users[i].opened, __ATOMIC_RELAXED);

			least = n < least ? n : least;
		}
	}
	for (int i = 0; i < 3; i++) {
		__atomic_store_n(&users[i].end, true, __ATOMIC_RELAXED);
		pthread_join(users[i].thread, NULL);
		EXPECT_EQ(users[i].wrong, 0);
	}
}

/* Opens that fail, early and late, take no CPU's buffer from a channel that works. */
TEST_F(faults, failed_opens_leave_each_cpu_its_buffer)
{
	int id = chan_open(self->dev, "faults", SUBBUF, 2, RELAY_MODE_NO_OVERWRITE);
	unsigned char stream[SUBBUF];
	struct relaytest_record r;
	char name[64];

	ASSERT_GE(id, 0);
	for (int i = 0; i < 10; i++) {
		EXPECT_EQ(chan_open(self->dev, "faults", SUBBUF, 2, 0), -EEXIST);
		EXPECT_EQ(chan_open(self->dev, "faults.d/cpu0", SUBBUF, 2, 0), -ENOTDIR);
		EXPECT_LT(chan_open(self->dev, "faults2", 512 << 20, 2, 0), 0);
		EXPECT_LT(chan_open(self->dev, "faults/below", SUBBUF, 2, 0), 0);
		for (int cpu = 0; cpu < cpus(); cpu++) {
			struct relaytest_pattern p = { .id = id, .cpu = cpu, .count = 1, .len = LEN,
						       .writer = cpu, .first = i };

			ASSERT_EQ(chan_pattern(self->dev, &p), 0);
			EXPECT_EQ(p.written, 1);
		}
	}
	for (int cpu = 0; cpu < cpus(); cpu++) {
		int fd;

		snprintf(name, sizeof(name), "faults.d/cpu%d", cpu);
		fd = file_open(name, O_RDONLY | O_NONBLOCK);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(read(fd, stream, sizeof(stream)), 10 * LEN);
		for (int i = 0; i < 10; i++) {
			ASSERT_EQ(record_check(stream + i * LEN, LEN), LEN);
			memcpy(&r, stream + i * LEN, sizeof(r));
			EXPECT_EQ(r.writer, (uint32_t)cpu);
			EXPECT_EQ(r.number, (uint32_t)i);
		}
		close(fd);
	}
}

TEST_HARNESS_MAIN
