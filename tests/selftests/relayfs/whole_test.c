// SPDX-License-Identifier: GPL-2.0
/* The whole-channel file: all buffers as one stream. */

#include "relaytest.h"

FIXTURE(whole)
{
	int dev, id, fd;
};

FIXTURE_SETUP(whole)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	self->id = chan_open(self->dev, "whole", 65536, 8, RELAY_MODE_NO_OVERWRITE);
	ASSERT_GE(self->id, 0);
	self->fd = file_open("whole", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(whole)
{
	close(self->fd);
	close(self->dev);
}

TEST_F(whole, gives_all_cpus_in_order_of_time)
{
	char b[4096];
	int n = cpus();

	for (int round = 0; round < 3; round++) {
		for (int cpu = n - 1; cpu >= 0; cpu--) {
			ASSERT_EQ(pin_to_cpu(cpu), 0);
			next_moment();
			snprintf(b, sizeof(b), "%d.%d ", round, cpu);
			ASSERT_EQ(chan_write(self->dev, self->id, b, strlen(b)), (long)strlen(b));
			ASSERT_EQ(chan_flush(self->dev, self->id), 0);
		}
	}
	ASSERT_EQ(read(self->fd, b, sizeof(b)), 3 * 4 * n);
	for (int i = 0; i < 3 * n; i++) {
		int round = -1, cpu = -1;

		ASSERT_EQ(sscanf(b + i * 4, "%d.%d ", &round, &cpu), 2);
		EXPECT_EQ(round, i / n);
		EXPECT_EQ(cpu, n - 1 - i % n);
	}
	EXPECT_EQ(read(self->fd, b, 1), -1);
	EXPECT_EQ(errno, EAGAIN);
}

/* Without a clock no CPU is put off until another has nothing more. */
TEST_F(whole, without_a_clock_cpus_take_turns)
{
	int n = cpus(), id, fd;
	char b[4096];

	id = chan_open(self->dev, "turns", 4096, 8,
		       RELAY_MODE_NO_OVERWRITE | RELAY_TIMESTAMP_NONE);
	ASSERT_GE(id, 0);
	fd = file_open("turns", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(fd, 0);
	for (int cpu = 0; cpu < n; cpu++) {
		ASSERT_EQ(pin_to_cpu(cpu), 0);
		memset(b, 'a' + cpu, sizeof(b));
		for (int i = 0; i < 3; i++)
			ASSERT_EQ(chan_write(self->dev, id, b, sizeof(b)), (long)sizeof(b));
	}
	for (int round = 0; round < 3; round++) {
		unsigned int seen = 0;

		/* In rounds of one sub-buffer from each. */
		for (int j = 0; j < n; j++) {
			ASSERT_EQ(read(fd, b, sizeof(b)), (long)sizeof(b));
			seen |= 1u << (b[0] - 'a');
		}
		EXPECT_EQ(seen, (1u << n) - 1);
	}
	close(fd);
	EXPECT_EQ(chan_close(self->dev, id), 0);
}

/* Short reads, with writers on every CPU going on between them: no record is ever cut in two. */
TEST_F(whole, a_run_once_begun_is_finished)
{
	static unsigned char stream[1 << 20];
	size_t len = 0, at = 0, records = 0;
	uint32_t next = 0;
	ssize_t got;

	for (int i = 0; i < 200; i++) {
		struct relaytest_pattern p = { .id = self->id, .cpu = i % cpus(), .count = 3,
					       .len = 40 + i % 90, .writer = i % cpus(),
					       .first = next };

		ASSERT_EQ(chan_pattern(self->dev, &p), 0);
		EXPECT_EQ(p.written, 3);
		next += 3;
		got = read(self->fd, stream + len, 1 + i % 50);
		if (got > 0)
			len += got;
	}
	while ((got = read(self->fd, stream + len, 977)) > 0)
		len += got;
	while (at < len) {
		size_t size = record_check(stream + at, len - at);

		ASSERT_GT(size, 0) TH_LOG("torn at %zu of %zu", at, len);
		at += size;
		records++;
	}
	EXPECT_EQ(records, 600);
	EXPECT_EQ(info("whole", "total", "read", false), 600);
	EXPECT_EQ(info("whole", "total", "unread", true), 0);
}

/* The first of a sub-buffer, discarded, leaves a sub-buffer with nothing to read. */
TEST_F(whole, discarded_records_alone_are_nothing)
{
	struct relaytest_pattern p = { .id = self->id, .cpu = -1, .count = 1, .len = 100,
				       .discard_every = 1 };
	struct pollfd pfd = { .fd = self->fd, .events = POLLIN };
	char b[8];

	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(chan_pattern(self->dev, &p), 0);
		ASSERT_EQ(chan_flush(self->dev, self->id), 0);
		EXPECT_EQ(p.failed, 0);
		EXPECT_EQ(read(self->fd, b, 8), -1);
		EXPECT_EQ(errno, EAGAIN);
		EXPECT_EQ(poll(&pfd, 1, 0), 0);
	}
	EXPECT_EQ(chan_write(self->dev, self->id, "x", 1), 1);
	EXPECT_EQ(read(self->fd, b, 8), 1);
}

TEST_F(whole, ends_when_the_channel_does)
{
	char b[16];

	for (int cpu = 0; cpu < cpus(); cpu++) {
		pin_to_cpu(cpu);
		chan_write(self->dev, self->id, "z", 1);
	}
	EXPECT_EQ(chan_close(self->dev, self->id), 0);
	EXPECT_EQ(read(self->fd, b, sizeof(b)), cpus());
	EXPECT_EQ(read(self->fd, b, sizeof(b)), 0);
}

TEST_HARNESS_MAIN
