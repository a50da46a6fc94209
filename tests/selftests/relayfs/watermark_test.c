// SPDX-License-Identifier: GPL-2.0
/*
 * When waiting readers are woken. The flush interval is a minute, longer than the harness waits, so
 * that it is the watermark that wakes; the counters of wake-ups tell how often.
 */

#include "watermark_rig.h"

FIXTURE(watermark)
{
	int dev, id;
};

/* After how many records a waiting reader is woken. */
FIXTURE_VARIANT(watermark)
{
	uint32_t unit, watermark, flags;
	uint64_t own;
	int records;
};

FIXTURE_VARIANT_ADD(watermark, bulk)
{
	.records = SUBBUF / RECORD,
};

FIXTURE_VARIANT_ADD(watermark, packet)
{
	.flags = RELAY_DELIVERY_PACKET, .records = 1,
};

FIXTURE_VARIANT_ADD(watermark, bytes)
{
	.unit = RELAY_WATERMARK_BYTES, .watermark = 1000, .records = 8,
};

FIXTURE_VARIANT_ADD(watermark, bytes_of_two_sub_buffers)
{
	.unit = RELAY_WATERMARK_BYTES, .watermark = SUBBUF + 1, .records = 2 * SUBBUF / RECORD,
};

FIXTURE_VARIANT_ADD(watermark, percent)
{
	.unit = RELAY_WATERMARK_PERCENT, .watermark = 10, .records = 13,
};

FIXTURE_VARIANT_ADD(watermark, sub_buffers)
{
	.unit = RELAY_WATERMARK_SUBBUFS, .watermark = 3, .records = 3 * SUBBUF / RECORD,
};

FIXTURE_VARIANT_ADD(watermark, each_write)
{
	.unit = RELAY_WATERMARK_WRITE, .records = 1,
};

FIXTURE_VARIANT_ADD(watermark, own_lower)
{
	.own = 500, .records = 4,
};

FIXTURE_VARIANT_ADD(watermark, own_higher)
{
	.unit = RELAY_WATERMARK_WRITE, .own = 2000, .records = 16,
};

FIXTURE_VARIANT_ADD(watermark, own_higher_than_a_sub_buffer)
{
	.own = 2 * SUBBUF, .records = 2 * SUBBUF / RECORD,
};

FIXTURE_SETUP(watermark)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->id = channel(self->dev, variant->unit, variant->watermark,
			   variant->flags | RELAY_MODE_NO_OVERWRITE, NEVER);
	ASSERT_GE(self->id, 0);
}

FIXTURE_TEARDOWN(watermark)
{
	close(self->dev);
}

/* Reading or polling, as consumer or as observer, of a buffer or of the whole channel. */
TEST_F(watermark, wakes_when_it_is_reached_and_once)
{
	for (int i = 0; i < 8; i++) {
		struct waiter w = { .poll = i & 1 };
		int64_t before = wakeups();

		w.fd = open_own(i & 4 ? "w" : "w.d/cpu0", O_RDONLY, i & 2, variant->own);
		ASSERT_GE(w.fd, 0);
		/* What there is already does not count. */
		fcntl(w.fd, F_SETFL, O_NONBLOCK);
		for (char b[4096]; read(w.fd, b, sizeof(b)) > 0;)
			;
		fcntl(w.fd, F_SETFL, 0);
		ASSERT_EQ(waiter_start(&w), 0);
		ASSERT_TRUE(asleep(&w));
		write_records(_metadata, self->dev, self->id, variant->records - 1);
		EXPECT_TRUE(asleep(&w));
		EXPECT_EQ(wakeups(), before);
		write_records(_metadata, self->dev, self->id, 1);
		pthread_join(w.thread, NULL);
		EXPECT_EQ(w.got, w.poll ? POLLIN : variant->records * RECORD);
		EXPECT_EQ(wakeups(), before + 1);
		close(w.fd);
		/* From the start of a sub-buffer again, and with nothing to consume. */
		ASSERT_EQ(chan_flush(self->dev, self->id), 0);
		w.fd = file_open("w", O_RDONLY | O_NONBLOCK);
		for (char b[4096]; read(w.fd, b, sizeof(b)) > 0;)
			;
		close(w.fd);
	}
}

TEST_F(watermark, what_is_there_is_given_at_once)
{
	int fd = open_own("w.d/cpu0", O_RDONLY, false, variant->own);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char b[RECORD];

	write_records(_metadata, self->dev, self->id, 1);
	EXPECT_EQ(poll(&p, 1, -1), 1);
	EXPECT_EQ(p.revents, POLLIN);
	EXPECT_EQ(read(fd, b, sizeof(b)), RECORD);
	EXPECT_EQ(wakeups(), 0);
	close(fd);
}

static void *read_until_end(void *arg)
{
	struct waiter *w = arg;
	char b[4096];

	w->tid = syscall(SYS_gettid);
	while (read(w->fd, b, sizeof(b)) > 0)
		;
	return NULL;
}

/* However reader and writer run: not more wake-ups than watermarks reached. */
TEST_F(watermark, at_most_one_wake_up_each_time)
{
	struct waiter w = { .fd = open_own("w.d/cpu0", O_RDONLY, false, variant->own) };
	char record[RECORD] = "";
	int64_t limit;
	int failed = 0;

	ASSERT_EQ(pthread_create(&w.thread, NULL, read_until_end, &w), 0);
	ASSERT_TRUE(asleep(&w));
	for (int i = 0; i < 2000; i++)
		failed += chan_write(self->dev, self->id, record, RECORD) != RECORD;
	limit = 2000 / variant->records;
	/* A ring that refuses a record wakes, too. */
	EXPECT_LE(wakeups(), limit + failed);
	EXPECT_GT(wakeups(), 0);
	ASSERT_EQ(chan_close(self->dev, self->id), 0);
	pthread_join(w.thread, NULL);
	close(w.fd);
}

TEST_F(watermark, epoll_edges_are_as_far_apart)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int fd = open_own("w.d/cpu0", O_RDONLY | O_NONBLOCK, false, variant->own);
	int ep = epoll_create1(EPOLL_CLOEXEC);
	char b[4 * SUBBUF];

	ASSERT_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event), 0);
	for (int round = 0; round < 5; round++) {
		write_records(_metadata, self->dev, self->id, variant->records - 1);
		EXPECT_EQ(epoll_wait(ep, &event, 1, 0), 0);
		write_records(_metadata, self->dev, self->id, 1);
		EXPECT_EQ(epoll_wait(ep, &event, 1, 10000), 1);
		EXPECT_EQ(epoll_wait(ep, &event, 1, 0), 0);
		EXPECT_EQ(wakeups(), round + 1);
		/* Whether it was read or not does not matter for the next edge. */
		if (round % 2)
			EXPECT_GT(read(fd, b, sizeof(b)), 0);
		if (variant->records > SUBBUF / RECORD)
			EXPECT_GE(read(fd, b, sizeof(b)), -1);
	}
	close(ep);
	close(fd);
}

TEST_HARNESS_MAIN
