// SPDX-License-Identifier: GPL-2.0
/* O_EXCL: who may consume what at the same time. */

#include "relaytest.h"

FIXTURE(exclusive)
{
	int dev, id;
};

/* Two files, and whether they have a buffer in common. */
FIXTURE_VARIANT(exclusive)
{
	const char *a, *b;
	bool overlap;
	uint32_t usage;
};

FIXTURE_VARIANT_ADD(exclusive, same_buffer)
{
	.a = "x.d/cpu0", .b = "x.d/cpu0", .overlap = true,
};

FIXTURE_VARIANT_ADD(exclusive, whole_and_buffer)
{
	.a = "x", .b = "x.d/cpu0", .overlap = true,
};

FIXTURE_VARIANT_ADD(exclusive, buffer_and_whole)
{
	.a = "x.d/cpu0", .b = "x", .overlap = true,
};

FIXTURE_VARIANT_ADD(exclusive, whole_and_whole)
{
	.a = "x", .b = "x", .overlap = true,
};

FIXTURE_VARIANT_ADD(exclusive, other_buffers)
{
	.a = "x.d/cpu0", .b = "x.d/cpu1", .overlap = false,
};

FIXTURE_VARIANT_ADD(exclusive, global)
{
	.a = "x", .b = "x.d/cpu0", .overlap = true, .usage = RELAY_USAGE_GLOBAL,
};

FIXTURE_SETUP(exclusive)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->id = chan_open(self->dev, "x", 4096, 4, variant->usage);
	ASSERT_GE(self->id, 0);
	if (!file_exists(variant->b))
		SKIP(return, "one CPU");
}

FIXTURE_TEARDOWN(exclusive)
{
	close(self->dev);
}

#define PLAIN	(O_RDONLY | O_NONBLOCK)
#define EXCL	(PLAIN | O_EXCL)

/* errno of an open, 0 if it works; the descriptor is closed again. */
static int try_open(const char *file, int flags)
{
	int fd = file_open(file, flags);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* errno of a read that finds no data. */
static int try_read(int fd)
{
	char c;

	return read(fd, &c, 1) < 0 ? errno : 0;
}

TEST_F(exclusive, a_second_claim_is_refused)
{
	int busy = variant->overlap ? EBUSY : 0;
	int a = file_open(variant->a, EXCL);

	ASSERT_GE(a, 0);
	/* Twice, as a failure must leave nothing behind. */
	EXPECT_EQ(try_open(variant->b, EXCL), busy);
	EXPECT_EQ(try_open(variant->b, EXCL), busy);
	EXPECT_EQ(try_read(a), EAGAIN);
	close(a);
	EXPECT_EQ(try_open(variant->b, EXCL), 0);
	EXPECT_EQ(try_open(variant->a, EXCL), 0);
}

TEST_F(exclusive, others_may_open_and_observe_but_not_read)
{
	int a = file_open(variant->a, EXCL), b = file_open(variant->b, PLAIN);
	char c;

	ASSERT_GE(a, 0);
	ASSERT_GE(b, 0);
	EXPECT_EQ(try_read(b), variant->overlap ? EBUSY : EAGAIN);
	if (variant->overlap) {
		EXPECT_EQ(ioctl(b, RELAY_IOC_OBSERVE), 0);
		EXPECT_EQ(chan_write(self->dev, self->id, "x", 1), 1);
		EXPECT_EQ(read(b, &c, 1), 1);
		EXPECT_EQ(read(a, &c, 1), 1);
	}
	close(a);
	close(b);
}

TEST_F(exclusive, a_refused_reader_may_read_when_the_claim_is_gone)
{
	int a = file_open(variant->a, EXCL), b = file_open(variant->b, PLAIN);

	EXPECT_EQ(try_read(b), variant->overlap ? EBUSY : EAGAIN);
	close(a);
	EXPECT_EQ(try_read(b), EAGAIN);
	EXPECT_EQ(try_open(variant->a, EXCL), variant->overlap ? EBUSY : 0);
	close(b);
	EXPECT_EQ(try_open(variant->a, EXCL), 0);
}

TEST_F(exclusive, who_has_read_consumes_until_closed)
{
	int busy = variant->overlap ? EBUSY : 0;
	int one = file_open(variant->a, PLAIN), two = file_open(variant->a, PLAIN);

	/* Open alone is no claim. */
	EXPECT_EQ(try_open(variant->b, EXCL), 0);
	EXPECT_EQ(try_read(one), EAGAIN);
	EXPECT_EQ(try_read(one), EAGAIN);
	EXPECT_EQ(try_read(two), EAGAIN);
	EXPECT_EQ(try_open(variant->b, EXCL), busy);
	close(one);
	EXPECT_EQ(try_open(variant->b, EXCL), busy);
	close(two);
	EXPECT_EQ(try_open(variant->b, EXCL), 0);
}

TEST_F(exclusive, plain_readers_share)
{
	int a = file_open(variant->a, PLAIN), b = file_open(variant->b, PLAIN);

	EXPECT_EQ(try_read(a), EAGAIN);
	EXPECT_EQ(try_read(b), EAGAIN);
	close(a);
	close(b);
}

TEST_F(exclusive, an_observer_is_no_consumer)
{
	int a = observer_open(variant->a, PLAIN), b;

	ASSERT_GE(a, 0);
	EXPECT_EQ(try_read(a), EAGAIN);
	b = file_open(variant->b, EXCL);
	EXPECT_GE(b, 0);
	EXPECT_EQ(try_read(b), EAGAIN);
	EXPECT_EQ(try_read(a), EAGAIN);
	close(a);
	EXPECT_EQ(try_open(variant->b, EXCL), EBUSY);
	close(b);
}

TEST_F(exclusive, a_duplicate_keeps_the_claim)
{
	int a = file_open(variant->a, EXCL), copy = dup(a);

	close(a);
	EXPECT_EQ(try_open(variant->a, EXCL), EBUSY);
	EXPECT_EQ(try_read(copy), EAGAIN);
	close(copy);
	EXPECT_EQ(try_open(variant->a, EXCL), 0);
}

/* What a claim does not read, the next one gets; also the rest of a record. */
TEST_F(exclusive, the_next_one_goes_on)
{
	int a = file_open(variant->a, EXCL);
	char b[8];

	EXPECT_EQ(chan_write(self->dev, self->id, "abc", 3), 3);
	EXPECT_EQ(read(a, b, 1), 1);
	close(a);
	a = file_open(variant->a, EXCL);
	EXPECT_EQ(read(a, b, 8), 2);
	EXPECT_EQ(memcmp(b, "bc", 2), 0);
	close(a);
}

TEST_HARNESS_MAIN
