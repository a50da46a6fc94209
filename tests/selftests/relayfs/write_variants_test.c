// SPDX-License-Identifier: GPL-2.0
/* Records that are not one piece: gathered from parts, or with their time in them. */

#include "calls.h"

#define SUBBUF	4096
#define COUNTED	0x10000000000	/* the most a refused record counts */

FIXTURE(variants)
{
	int dev;
	int id;
	int fd;
};

FIXTURE_VARIANT(variants)
{
	uint32_t flags;
	bool hardirq;
};

FIXTURE_VARIANT_ADD(variants, smp) { .flags = RELAY_USAGE_SMP };
FIXTURE_VARIANT_ADD(variants, global) { .flags = RELAY_USAGE_GLOBAL };
FIXTURE_VARIANT_ADD(variants, smp_locking) { .flags = RELAY_USAGE_SMP | RELAY_SCHEME_LOCKING };
FIXTURE_VARIANT_ADD(variants, global_locking)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING,
};

FIXTURE_VARIANT_ADD(variants, smp_hardirq) { .flags = RELAY_USAGE_SMP, .hardirq = true };

FIXTURE_VARIANT_ADD(variants, global_locking_hardirq)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING, .hardirq = true,
};

FIXTURE_SETUP(variants)
{
	self->dev = calls_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->id = calls_open(self->dev, "v", (struct calls_open){
		.subbuf_size = SUBBUF, .n_subbufs = 2,
		.flags = variant->flags | RELAY_MODE_NO_OVERWRITE });
	ASSERT_GE(self->id, 0);
	self->fd = file_open("v.d/cpu0", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(variants)
{
	close(self->fd);
	close(self->dev);
}

#define PART(at, n) { .data = (uintptr_t)(at), .len = (n) }

#define writev_(...) \
	({ struct calls_part parts[] = { __VA_ARGS__ }; \
	   calls(self->dev, CALLS_WRITEV, self->id, .data = (uintptr_t)parts, \
		 .len = sizeof(parts), .hardirq = variant->hardirq); })

static unsigned char out[4 * SUBBUF], in[4 * SUBBUF];

static void number(void)
{
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = i * 7 + i / 256;
}

TEST_F(variants, parts_become_one_record)
{
	struct rchan_info info;

	number();
	EXPECT_EQ(writev_(PART(out, 1), PART(out + 1, 7), PART("", 0), PART(out + 8, 700),
			  PART(out + 708, 9)), 717);
	EXPECT_EQ(writev_(PART(out + 717, 83)), 83);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 800);
	EXPECT_EQ(memcmp(in, out, 800), 0);
	info = calls_info(self->dev, self->id);
	EXPECT_EQ(info.produced.records, 2);
	EXPECT_EQ(info.produced.bytes, 800);
	EXPECT_TRUE(adds_up(&info));
}

TEST_F(variants, many_parts)
{
	struct calls_part parts[64];
	size_t sum = 0;

	number();
	for (size_t i = 0; i < 64; i++) {
		parts[i] = (struct calls_part)PART(out + sum, i);
		sum += i;
	}
	EXPECT_EQ(calls(self->dev, CALLS_WRITEV, self->id, .data = (uintptr_t)parts,
			.len = sizeof(parts), .hardirq = variant->hardirq), sum);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), sum);
	EXPECT_EQ(memcmp(in, out, sum), 0);
}

TEST_F(variants, nothing_is_written_of_no_parts)
{
	EXPECT_EQ(calls(self->dev, CALLS_WRITEV, self->id, .hardirq = variant->hardirq), 0);
	EXPECT_EQ(writev_(PART("", 0), PART("", 0)), 0);
	EXPECT_EQ(calls_info(self->dev, self->id).produced.records, 0);
}

TEST_F(variants, a_record_of_parts_is_never_split)
{
	number();
	EXPECT_EQ(writev_(PART(out, 4000)), 4000);
	/* 96 bytes are left: they become padding. */
	EXPECT_EQ(writev_(PART(out + 4000, 96), PART(out + 4096, 4)), 100);
	EXPECT_EQ(calls_info(self->dev, self->id).subbufs_produced, 1);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 4100);
	EXPECT_EQ(memcmp(in, out, 4100), 0);
}

TEST_F(variants, parts_that_are_too_long_are_refused_unread)
{
	struct rchan_info info;

	EXPECT_EQ(writev_(PART(out, SUBBUF), PART(out, 1)), -EMSGSIZE);
	info = calls_info(self->dev, self->id);
	EXPECT_EQ(info.too_big.records, 1);
	EXPECT_EQ(info.too_big.bytes, SUBBUF + 1);
	/* The sum does not wrap; none of these is there. */
	EXPECT_EQ(writev_(PART(NULL, 1ull << 63), PART(NULL, 1ull << 63), PART(NULL, 1)),
		  -EMSGSIZE);
	EXPECT_EQ(writev_(PART(NULL, ~0ull), PART(NULL, 2)), -EMSGSIZE);
	info = calls_info(self->dev, self->id);
	EXPECT_EQ(info.too_big.records, 3);
	EXPECT_EQ(info.too_big.bytes, SUBBUF + 1 + 2 * COUNTED);
	EXPECT_EQ(info.produced.records, 0);
}

TEST_F(variants, a_full_ring_refuses_all_parts)
{
	number();
	EXPECT_EQ(writev_(PART(out, SUBBUF)), SUBBUF);
	EXPECT_EQ(writev_(PART(out, 1), PART(out, SUBBUF - 1)), SUBBUF);
	EXPECT_EQ(writev_(PART(out, 1), PART(out, 1)), -ENOSPC);
	EXPECT_EQ(calls_info(self->dev, self->id).full.records, 1);
	EXPECT_EQ(calls_info(self->dev, self->id).full.bytes, 2);
	EXPECT_EQ(calls_info(self->dev, self->id).unread.records, 2);
}

static long delta(int dev, int id, bool hardirq, size_t len, int td_offset, uint64_t *seen)
{
	struct calls_call c = { .op = CALLS_WRITE_DELTA, .id = id, .data = (uintptr_t)out,
				.len = len, .flag = td_offset, .hardirq = hardirq };
	long ret = calls_call(dev, &c);

	*seen = c.value;
	return ret;
}

#define delta_(len, td_offset, seen) \
	delta(self->dev, self->id, variant->hardirq, len, td_offset, seen)

static uint32_t u32_at(size_t at)
{
	uint32_t value;

	memcpy(&value, in + at, sizeof(value));
	return value;
}

static uint64_t nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

TEST_F(variants, the_time_is_since_the_begin_of_the_sub_buffer)
{
	struct timespec pause = { .tv_nsec = 20000000 };
	uint64_t seen, before, after;

	number();
	before = nanoseconds();
	EXPECT_EQ(delta_(100, 10, &seen), 100);
	nanosleep(&pause, NULL);
	EXPECT_EQ(delta_(100, 96, &seen), 100);
	after = nanoseconds();
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 200);
	EXPECT_LE(u32_at(10), after - before);
	EXPECT_GE(u32_at(196), 20000000);
	EXPECT_GE(u32_at(196), u32_at(10));
	EXPECT_LE(u32_at(196), after - before);
	/* All else is as it was given. */
	EXPECT_EQ(memcmp(in, out, 10), 0);
	EXPECT_EQ(memcmp(in + 14, out + 14, 86), 0);
	EXPECT_EQ(memcmp(in + 100, out, 96), 0);
	/* The next sub-buffer begins with its first record. */
	ASSERT_EQ(calls(self->dev, CALLS_FLUSH, self->id), 0);
	before = nanoseconds();
	EXPECT_EQ(delta_(100, 0, &seen), 100);
	after = nanoseconds();
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 100);
	EXPECT_LE(u32_at(0), after - before);
}

TEST_F(variants, where_the_record_was_written)
{
	uint64_t seen, expected;

	number();
	memcpy(&expected, out, sizeof(expected));
	EXPECT_EQ(delta_(100, -1, &seen), 100);
	EXPECT_EQ(seen, expected);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 100);
	EXPECT_EQ(memcmp(in, out, 100), 0);
	EXPECT_EQ(delta_(8, 2, &seen), 8);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 8);
	EXPECT_EQ(memcmp(in, &seen, 8), 0);
}

TEST_F(variants, where_a_time_has_no_place)
{
	struct rchan_info info;
	uint64_t seen = 0;

	EXPECT_EQ(delta_(100, 97, &seen), -EINVAL);
	EXPECT_EQ(delta_(100, 0x7fffffff, &seen), -EINVAL);
	EXPECT_EQ(delta_(3, 0, &seen), -EINVAL);
	EXPECT_EQ(delta_(0, 0, &seen), -EINVAL);
	EXPECT_EQ(delta_(0, -1, &seen), 0);
	EXPECT_EQ(seen, 0);
	info = calls_info(self->dev, self->id);
	EXPECT_EQ(info.produced.records, 0);
	EXPECT_EQ(info.too_big.records, 0);
	EXPECT_EQ(delta_(SUBBUF, SUBBUF - 4, &seen), SUBBUF);
	EXPECT_EQ(delta_(SUBBUF + 1, 0, &seen), -EMSGSIZE);
	EXPECT_EQ(delta_(SUBBUF, 0, &seen), SUBBUF);
	EXPECT_EQ(delta_(4, 0, &seen), -ENOSPC);
	info = calls_info(self->dev, self->id);
	EXPECT_EQ(info.produced.records, 2);
	EXPECT_EQ(info.too_big.records, 1);
	EXPECT_EQ(info.full.records, 1);
}

TEST_F(variants, a_channel_without_a_clock_has_no_times)
{
	int id = calls_open(self->dev, "none", (struct calls_open){
		.subbuf_size = SUBBUF, .n_subbufs = 2,
		.flags = variant->flags | RELAY_TIMESTAMP_NONE });
	uint64_t seen;

	ASSERT_GE(id, 0);
	EXPECT_EQ(delta(self->dev, id, variant->hardirq, 100, 0, &seen), -EINVAL);
	EXPECT_EQ(delta(self->dev, id, variant->hardirq, 100, -1, &seen), 100);
	EXPECT_EQ(calls_info(self->dev, id).produced.records, 1);
}

#ifdef __x86_64__
TEST_F(variants, cycles)
{
	int id = calls_open(self->dev, "tsc", (struct calls_open){
		.subbuf_size = SUBBUF, .n_subbufs = 2,
		.flags = variant->flags | RELAY_TIMESTAMP_TSC });
	uint64_t seen, before, after;
	int fd = file_open("tsc.d/cpu0", O_RDONLY | O_NONBLOCK);

	ASSERT_GE(id, 0);
	before = __builtin_ia32_rdtsc();
	EXPECT_EQ(delta(self->dev, id, variant->hardirq, 4, 0, &seen), 4);
	EXPECT_EQ(delta(self->dev, id, variant->hardirq, 4, 0, &seen), 4);
	after = __builtin_ia32_rdtsc();
	EXPECT_EQ(read(fd, in, sizeof(in)), 8);
	EXPECT_GT(u32_at(4), u32_at(0));
	EXPECT_LE(u32_at(4), after - before);
	close(fd);
}
#endif

TEST_HARNESS_MAIN
