// SPDX-License-Identifier: GPL-2.0
/* Writing: results, limits, reserve/commit/discard, nesting, and exact counts. */

#include "relaytest.h"

FIXTURE(write)
{
	int dev;
};

FIXTURE_VARIANT(write)
{
	uint32_t usage;
};

FIXTURE_VARIANT_ADD(write, smp)
{
	.usage = RELAY_USAGE_SMP,
};

FIXTURE_VARIANT_ADD(write, global)
{
	.usage = RELAY_USAGE_GLOBAL,
};

FIXTURE_VARIANT_ADD(write, smp_locking)
{
	.usage = RELAY_USAGE_SMP | RELAY_SCHEME_LOCKING,
};

FIXTURE_VARIANT_ADD(write, global_locking)
{
	.usage = RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING,
};

FIXTURE_SETUP(write)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
}

FIXTURE_TEARDOWN(write)
{
	close(self->dev);
}

static char buffer[1 << 20];

TEST_F(write, results)
{
	int id = chan_open(self->dev, "w", 4096, 2, variant->usage | RELAY_MODE_NO_OVERWRITE);
	int fd;

	ASSERT_GE(id, 0);
	EXPECT_EQ(chan_write(self->dev, id, "x", 0), 0);
	EXPECT_EQ(chan_write(self->dev, id, "x", 1), 1);
	EXPECT_EQ(chan_write(self->dev, id, buffer, 4095), 4095);
	EXPECT_EQ(chan_write(self->dev, id, buffer, 4096), 4096);
	EXPECT_EQ(chan_write(self->dev, id, "x", 1), -ENOSPC);
	EXPECT_EQ(chan_write(self->dev, id, "x", 0), 0);
	EXPECT_EQ(chan_write(self->dev, id, buffer, 4097), -EMSGSIZE);
	EXPECT_EQ(chan_write(self->dev, id, NULL, 1ull << 32), -EMSGSIZE);
	EXPECT_EQ(chan_write(self->dev, id, NULL, ~0ull), -EMSGSIZE);
	EXPECT_EQ(info("w", "total", "produced", false), 3);
	EXPECT_EQ(info("w", "total", "produced", true), 8192);
	EXPECT_EQ(info("w", "total", "full", false), 1);
	EXPECT_EQ(info("w", "total", "full", true), 1);
	EXPECT_EQ(info("w", "total", "too_big", false), 3);
	EXPECT_EQ(info("w", "total", "too_big", true), 4097 + (1ll << 32) + (1ll << 40));
	fd = file_open("w.d/cpu0", O_RDONLY | O_NONBLOCK);
	EXPECT_EQ(read(fd, buffer, 4096), 4096);
	EXPECT_EQ(chan_write(self->dev, id, "yz", 2), 2);
	EXPECT_EQ(read(fd, buffer, 8192), 4098);
	EXPECT_EQ(memcmp(buffer + 4096, "yz", 2), 0);
	close(fd);
	EXPECT_EQ(chan_close(self->dev, id), 0);
}

/* Reads all of cpu0; the number of whole records, or -1. */
static long read_records(const char *name, uint32_t *numbers, long max)
{
	long count = 0, n, at = 0, len = 0;
	int fd = file_open(name, O_RDONLY | O_NONBLOCK);

	while ((n = read(fd, buffer + len, sizeof(buffer) - len)) > 0)
		len += n;
	close(fd);
	while (at < len) {
		size_t size = record_check((unsigned char *)buffer + at, len - at);
		struct relaytest_record r;

		if (!size)
			return -1;
		memcpy(&r, buffer + at, sizeof(r));
		if (count < max)
			numbers[count] = r.number;
		count++;
		at += size;
	}
	return count;
}

TEST_F(write, nested_in_a_reservation)
{
	int id = chan_open(self->dev, "n", 65536, 8, variant->usage | RELAY_MODE_NO_OVERWRITE);
	struct relaytest_pattern p = { .cpu = -1, .count = 100, .len = 100, .nested_len = 30,
				       .writer = 5 };
	static uint32_t numbers[200];

	ASSERT_GE(id, 0);
	p.id = id;
	ASSERT_EQ(chan_pattern(self->dev, &p), 0);
	EXPECT_EQ(p.written, 200);
	ASSERT_EQ(read_records("n.d/cpu0", numbers, 200), 200);
	for (uint32_t i = 0; i < 200; i++)
		EXPECT_EQ(numbers[i], i);
	EXPECT_EQ(info("n", "total", "read", false), 200);
	EXPECT_EQ(chan_close(self->dev, id), 0);
}

TEST_F(write, discarded_records_are_never_seen)
{
	int id = chan_open(self->dev, "d", 65536, 8, variant->usage | RELAY_MODE_NO_OVERWRITE);
	struct relaytest_pattern p = { .cpu = -1, .count = 100, .len = 77, .nested_len = 31,
				       .discard_every = 3, .writer = 6 };
	static uint32_t numbers[200];
	uint32_t seen = 0;

	ASSERT_GE(id, 0);
	p.id = id;
	ASSERT_EQ(chan_pattern(self->dev, &p), 0);
	EXPECT_EQ(p.written, 200 - 34);
	ASSERT_EQ(read_records("d.d/cpu0", numbers, 200), 200 - 34);
	for (uint32_t i = 0; i < 200; i++) {
		if (i % 2 == 0 && i / 2 % 3 == 0)
			continue;
		EXPECT_EQ(numbers[seen++], i);
	}
	EXPECT_EQ(info("d", "total", "produced", false), 200 - 34);
	EXPECT_EQ(info("d", "total", "produced", true), 66 * 77 + 100 * 31);
	EXPECT_EQ(info("d", "total", "unread", true), 0);
	EXPECT_EQ(chan_close(self->dev, id), 0);
}

TEST_F(write, from_hard_irq)
{
	int id = chan_open(self->dev, "irq", 65536, 8, variant->usage);
	struct relaytest_pattern p = { .context = RELAYTEST_HARDIRQ, .count = 500, .len = 64,
				       .writer = 1 };
	static uint32_t numbers[500];

	ASSERT_GE(id, 0);
	p.id = id;
	ASSERT_EQ(chan_pattern(self->dev, &p), 0);
	EXPECT_EQ(p.written, 500);
	ASSERT_EQ(read_records("irq.d/cpu0", numbers, 500), 500);
	EXPECT_EQ(chan_close(self->dev, id), 0);
}

TEST_F(write, overwrite_keeps_the_newest_and_counts_the_rest)
{
	int id = chan_open(self->dev, "o", 4096, 4, variant->usage | RELAY_MODE_CONTINUOUS);
	struct relaytest_pattern p = { .cpu = -1, .count = 10000, .len = 48 };
	static uint32_t numbers[10000];
	long n;

	ASSERT_GE(id, 0);
	p.id = id;
	ASSERT_EQ(chan_pattern(self->dev, &p), 0);
	EXPECT_EQ(p.written, 10000);
	EXPECT_EQ(info("o", "cpu0", "produced", false), 10000);
	EXPECT_EQ(info("o", "cpu0", "overwritten", false) + info("o", "cpu0", "unread", false),
		  10000);
	n = read_records("o.d/cpu0", numbers, 10000);
	ASSERT_GT(n, 3 * 4096 / 48);
	for (long i = 0; i < n; i++)
		ASSERT_EQ(numbers[i], 10000 - n + i);
	EXPECT_EQ(info("o", "cpu0", "read", false), n);
	EXPECT_EQ(info("o", "cpu0", "overwritten", false), 10000 - n);
	EXPECT_EQ(info("o", "cpu0", "overwritten", true), (10000 - n) * 48);
	EXPECT_EQ(chan_close(self->dev, id), 0);
}

TEST_F(write, a_closed_descriptor_of_the_client_closes_the_channel)
{
	int dev = test_device(), id = chan_open(dev, "gone", 0, 0, variant->usage);

	ASSERT_GE(id, 0);
	EXPECT_EQ(chan_write(dev, id, "x", 1), 1);
	close(dev);
	EXPECT_FALSE(file_exists("gone"));
}

TEST_HARNESS_MAIN
