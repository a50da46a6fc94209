// SPDX-License-Identifier: GPL-2.0
/*
 * What else wakes who waits besides the watermark: a new one, a full ring, a flush, the end, the
 * flush interval; what is a bad watermark or interval.
 */

#include "watermark_rig.h"

#define LOAD(word)	__atomic_load_n(&(word), __ATOMIC_ACQUIRE)

FIXTURE(policy)
{
	int dev;
};

FIXTURE_SETUP(policy)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
}

FIXTURE_TEARDOWN(policy)
{
	close(self->dev);
}

TEST_F(policy, bad_attributes)
{
	static const struct { uint32_t unit, n; int result; } cases[] = {
		{ RELAY_WATERMARK_DEFAULT, 1, -EINVAL },
		{ RELAY_WATERMARK_WRITE, 1, -EINVAL },
		{ RELAY_WATERMARK_BYTES, 0, -EINVAL },
		{ RELAY_WATERMARK_BYTES, 1, 0 },
		{ RELAY_WATERMARK_BYTES, SUBBUF * N_SUBBUFS, 0 },
		{ RELAY_WATERMARK_BYTES, SUBBUF * N_SUBBUFS + 1, -EINVAL },
		{ RELAY_WATERMARK_PERCENT, 0, -EINVAL },
		{ RELAY_WATERMARK_PERCENT, 1, 0 },
		{ RELAY_WATERMARK_PERCENT, 100, 0 },
		{ RELAY_WATERMARK_PERCENT, 101, -EINVAL },
		{ RELAY_WATERMARK_SUBBUFS, 0, -EINVAL },
		{ RELAY_WATERMARK_SUBBUFS, N_SUBBUFS, 0 },
		{ RELAY_WATERMARK_SUBBUFS, N_SUBBUFS + 1, -EINVAL },
		{ RELAY_WATERMARK_WRITE + 1, 1, -EINVAL },
		{ ~0u, 0, -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int id = channel(self->dev, cases[i].unit, cases[i].n, 0, NEVER);

		EXPECT_EQ(id < 0 ? id : 0, cases[i].result) TH_LOG("case %zu", i);
		if (id >= 0)
			chan_close(self->dev, id);
	}
}

TEST_F(policy, bad_settings)
{
	int id = channel(self->dev, 0, 0, 0, NEVER), fd = file_open("w", O_RDONLY);
	uint64_t bytes = SUBBUF * N_SUBBUFS + 1;
	uint32_t ms = NEVER + 1;

	ASSERT_GE(id, 0);
	EXPECT_EQ(ioctl(fd, RELAY_IOC_SET_WATERMARK, &bytes), -1);
	EXPECT_EQ(errno, EINVAL);
	bytes--;
	EXPECT_EQ(ioctl(fd, RELAY_IOC_SET_WATERMARK, &bytes), 0);
	EXPECT_EQ(ioctl(fd, RELAY_IOC_SET_FLUSH_INTERVAL, &ms), -1);
	EXPECT_EQ(errno, EINVAL);
	ms--;
	EXPECT_EQ(ioctl(fd, RELAY_IOC_SET_FLUSH_INTERVAL, &ms), 0);
	close(fd);
}

TEST_F(policy, a_read_sleeps_on_when_another_is_due)
{
	int id = channel(self->dev, RELAY_WATERMARK_BYTES, 500, RELAY_MODE_NO_OVERWRITE, NEVER);
	struct waiter low = { .fd = open_own("w.d/cpu0", O_RDONLY, true, 0) };
	struct waiter high = { .fd = open_own("w.d/cpu0", O_RDONLY, true, 2000) };

	ASSERT_GE(id, 0);
	ASSERT_EQ(waiter_start(&low), 0);
	ASSERT_EQ(waiter_start(&high), 0);
	ASSERT_TRUE(asleep(&low) && asleep(&high));
	write_records(_metadata, self->dev, id, 4);
	pthread_join(low.thread, NULL);
	EXPECT_EQ(low.got, 4 * RECORD);
	EXPECT_TRUE(asleep(&high));
	write_records(_metadata, self->dev, id, 11);
	EXPECT_TRUE(asleep(&high));
	write_records(_metadata, self->dev, id, 1);
	pthread_join(high.thread, NULL);
	EXPECT_EQ(high.got, 16 * RECORD);
	close(low.fd);
	close(high.fd);
}

/* Lowering it while somebody sleeps serves that one at once. */
TEST_F(policy, a_new_watermark_holds_for_who_sleeps)
{
	int id = channel(self->dev, 0, 0, RELAY_MODE_NO_OVERWRITE, NEVER);
	struct waiter w = { .fd = file_open("w.d/cpu0", O_RDONLY) };
	uint64_t bytes = 200;

	ASSERT_EQ(waiter_start(&w), 0);
	ASSERT_TRUE(asleep(&w));
	write_records(_metadata, self->dev, id, 1);
	EXPECT_TRUE(asleep(&w));
	EXPECT_EQ(ioctl(w.fd, RELAY_IOC_SET_WATERMARK, &bytes), 0);
	EXPECT_TRUE(asleep(&w));
	write_records(_metadata, self->dev, id, 1);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.got, 2 * RECORD);
	close(w.fd);
}

TEST_F(policy, a_full_ring_wakes)
{
	int id = channel(self->dev, RELAY_WATERMARK_PERCENT, 100, RELAY_MODE_NO_OVERWRITE, NEVER);
	struct waiter w = { .fd = file_open("w.d/cpu0", O_RDONLY) };
	char record[4000] = "";

	ASSERT_GE(id, 0);
	ASSERT_EQ(waiter_start(&w), 0);
	ASSERT_TRUE(asleep(&w));
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(chan_write(self->dev, id, record, sizeof(record)), 4000);
	EXPECT_TRUE(asleep(&w));
	EXPECT_EQ(wakeups(), 0);
	ASSERT_EQ(chan_write(self->dev, id, record, sizeof(record)), -ENOSPC);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.got, 4 * 4000);
	EXPECT_EQ(wakeups(), 1);
	/* Nobody waits: there is nobody to wake. */
	for (int i = 0; i < 5; i++)
		chan_write(self->dev, id, record, sizeof(record));
	EXPECT_EQ(wakeups(), 1);
	close(w.fd);
}

TEST_F(policy, a_flush_wakes_if_there_is_something)
{
	int id = channel(self->dev, RELAY_WATERMARK_SUBBUFS, 4, 0, NEVER);
	struct waiter w = { .fd = file_open("w", O_RDONLY) };

	ASSERT_EQ(waiter_start(&w), 0);
	ASSERT_TRUE(asleep(&w));
	EXPECT_EQ(chan_flush(self->dev, id), 0);
	EXPECT_TRUE(asleep(&w));
	EXPECT_EQ(wakeups(), 0);
	write_records(_metadata, self->dev, id, 1);
	EXPECT_TRUE(asleep(&w));
	EXPECT_EQ(chan_flush(self->dev, id), 0);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.got, RECORD);
	EXPECT_EQ(wakeups(), 1);
	close(w.fd);
}

TEST_F(policy, closing_wakes)
{
	int id = channel(self->dev, RELAY_WATERMARK_SUBBUFS, 4, 0, NEVER);
	struct waiter w = { .fd = file_open("w", O_RDONLY) };
	struct waiter p = { .fd = file_open("w.d/cpu0", O_RDONLY), .poll = true };

	ASSERT_EQ(waiter_start(&w), 0);
	ASSERT_EQ(waiter_start(&p), 0);
	ASSERT_TRUE(asleep(&w) && asleep(&p));
	EXPECT_EQ(chan_close(self->dev, id), 0);
	pthread_join(w.thread, NULL);
	pthread_join(p.thread, NULL);
	EXPECT_EQ(w.got, 0);
	EXPECT_EQ(p.got, POLLHUP);
	close(w.fd);
	close(p.fd);
}

/* Less than the watermark arrives after the flush interval, the channel's or one's own. */
TEST_F(policy, the_flush_interval_wakes)
{
	for (int i = 0; i < 8; i++) {
		bool own = i & 1;
		int id = channel(self->dev, RELAY_WATERMARK_SUBBUFS, 4, 0, own ? NEVER : 50);
		struct waiter w = { .fd = file_open(i & 4 ? "w" : "w.d/cpu0", O_RDONLY),
				    .poll = i & 2 };
		uint32_t ms = 50;

		if (own)
			ASSERT_EQ(ioctl(w.fd, RELAY_IOC_SET_FLUSH_INTERVAL, &ms), 0);
		ASSERT_EQ(waiter_start(&w), 0);
		ASSERT_TRUE(asleep(&w));
		write_records(_metadata, self->dev, id, 1);
		pthread_join(w.thread, NULL);
		EXPECT_EQ(w.got, w.poll ? POLLIN : RECORD);
		close(w.fd);
		EXPECT_EQ(chan_close(self->dev, id), 0);
	}
}

/* Others whose interval is shorter are served; who wants to wait longer waits on. */
TEST_F(policy, a_longer_interval_of_ones_own)
{
	int id = channel(self->dev, RELAY_WATERMARK_SUBBUFS, 4, 0, 50);
	struct waiter patient = { .fd = observer_open("w.d/cpu0", O_RDONLY) };
	struct waiter reads = { .fd = observer_open("w.d/cpu0", O_RDONLY) };
	struct waiter polls = { .fd = observer_open("w.d/cpu0", O_RDONLY), .poll = true };
	uint32_t ms = NEVER;

	ASSERT_EQ(ioctl(patient.fd, RELAY_IOC_SET_FLUSH_INTERVAL, &ms), 0);
	ASSERT_EQ(waiter_start(&patient), 0);
	ASSERT_EQ(waiter_start(&reads), 0);
	ASSERT_EQ(waiter_start(&polls), 0);
	ASSERT_TRUE(asleep(&patient));
	write_records(_metadata, self->dev, id, 1);
	pthread_join(reads.thread, NULL);
	pthread_join(polls.thread, NULL);
	EXPECT_TRUE(asleep(&patient));
	EXPECT_EQ(chan_close(self->dev, id), 0);
	pthread_join(patient.thread, NULL);
	EXPECT_EQ(patient.got, RECORD);
	close(patient.fd);
	close(reads.fd);
	close(polls.fd);
}

/* Writes one record, and waits until the flush timer has looked at it. */
static void write_and_wait_for_the_timer(struct __test_metadata *_metadata, int dev, int fd,
					 struct relaytest_pattern *p)
{
	struct waiter w = { .fd = fd, .poll = true };

	ASSERT_EQ(waiter_start(&w), 0);
	ASSERT_TRUE(asleep(&w));
	ASSERT_EQ(chan_pattern(dev, p), 0);
	pthread_join(w.thread, NULL);
}

/* Who looks at a mapping sees complete sub-buffers only: they are ended for it, on any CPU. */
TEST_F(policy, the_flush_interval_shows_data_to_who_maps)
{
	int cpu = cpus() - 1, id = channel(self->dev, RELAY_WATERMARK_SUBBUFS, 4, 0, 50);
	struct relaytest_pattern p = { .id = id, .cpu = cpu, .count = 1, .len = 100 };
	const struct relayfs_meta *meta;
	char name[32], b[RECORD];
	size_t len;
	void *all;
	int fd;

	snprintf(name, sizeof(name), "w.d/cpu%d", cpu);
	fd = file_open(name, O_RDONLY | O_NONBLOCK);
	meta = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(meta, MAP_FAILED);
	len = meta->data_offset + meta->subbuf_size * meta->n_subbufs;

	/* The first page alone is no reader. */
	write_and_wait_for_the_timer(_metadata, self->dev, fd, &p);
	EXPECT_EQ(LOAD(meta->delivered), 0);
	EXPECT_EQ(read(fd, b, sizeof(b)), 100);

	all = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(all, MAP_FAILED);
	while (LOAD(meta->delivered) < 1)
		sched_yield();
	for (uint64_t i = 2; i < 5; i++) {
		ASSERT_EQ(chan_pattern(self->dev, &p), 0);
		while (LOAD(meta->delivered) < i)
			sched_yield();
		EXPECT_EQ(LOAD(meta->delivered_records), i);
		EXPECT_EQ(LOAD(meta->write_pos), i * SUBBUF);
	}
	EXPECT_EQ(read(fd, b, sizeof(b)), RECORD);
	while (read(fd, b, sizeof(b)) > 0)
		;

	/* When it is gone, no more. */
	ASSERT_EQ(munmap(all, len), 0);
	write_and_wait_for_the_timer(_metadata, self->dev, fd, &p);
	EXPECT_EQ(LOAD(meta->delivered), 4);
	EXPECT_EQ(chan_close(self->dev, id), 0);
	munmap((void *)meta, PAGE);
	close(fd);
}

/* Edges also of low-rate data, though nobody looks between them. */
TEST_F(policy, epoll_edges_by_the_flush_interval)
{
	int id = channel(self->dev, RELAY_WATERMARK_SUBBUFS, 4, 0, 50);
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int fd = file_open("w.d/cpu0", O_RDONLY | O_NONBLOCK);
	int ep = epoll_create1(EPOLL_CLOEXEC);
	char b[SUBBUF];

	write_records(_metadata, self->dev, id, 1);
	ASSERT_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event), 0);
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(epoll_wait(ep, &event, 1, 20000), 1);
		EXPECT_EQ(read(fd, b, sizeof(b)), RECORD);
		write_records(_metadata, self->dev, id, 1);
	}
	close(ep);
	close(fd);
}

TEST_HARNESS_MAIN
