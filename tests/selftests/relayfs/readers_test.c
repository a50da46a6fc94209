// SPDX-License-Identifier: GPL-2.0
/* Readers in the kernel: what they read, count, consume and refuse. */

#include "readers.h"

FIXTURE(readers)
{
	int dev;
	int id;
	uint32_t cpu;	/* whose buffer CPU 0 writes to, for cpu readers */
};

FIXTURE_VARIANT(readers)
{
	uint32_t flags;
};

#define SMP		RELAY_USAGE_SMP
#define GLOBAL		RELAY_USAGE_GLOBAL
#define LOCKING		RELAY_SCHEME_LOCKING
#define KEEP		RELAY_MODE_NO_OVERWRITE

FIXTURE_VARIANT_ADD(readers, smp) { .flags = SMP };
FIXTURE_VARIANT_ADD(readers, smp_keep) { .flags = SMP | KEEP };
FIXTURE_VARIANT_ADD(readers, global) { .flags = GLOBAL };
FIXTURE_VARIANT_ADD(readers, global_keep) { .flags = GLOBAL | KEEP };
FIXTURE_VARIANT_ADD(readers, smp_locking) { .flags = SMP | LOCKING };
FIXTURE_VARIANT_ADD(readers, smp_locking_keep) { .flags = SMP | LOCKING | KEEP };
FIXTURE_VARIANT_ADD(readers, global_locking) { .flags = GLOBAL | LOCKING };
FIXTURE_VARIANT_ADD(readers, global_locking_keep) { .flags = GLOBAL | LOCKING | KEEP };

static unsigned char out[64 * SUBBUF], in[64 * SUBBUF];

FIXTURE_SETUP(readers)
{
	self->dev = calls_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->cpu = variant->flags & GLOBAL ? RELAY_CPU_NONE : 0;
	self->id = calls_open(self->dev, "r", (struct calls_open){
		.subbuf_size = SUBBUF, .n_subbufs = N, .flags = variant->flags });
	ASSERT_GE(self->id, 0);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = i * 7 + i / 251;
}

FIXTURE_TEARDOWN(readers)
{
	close(self->dev);
}

/* Writes bytes of out. */
#define put_(from, n) \
	({ long len = (n); \
	   ASSERT_EQ(calls_write(self->dev, self->id, out + (from), len), len); })
#define info_()		calls_info(self->dev, self->id)
#define sum_() \
	({ struct rchan_info sum = info_(); EXPECT_TRUE(adds_up(&sum)); sum; })

TEST_F(readers, who_consumes_shares_the_position_with_users)
{
	int reader = reader_add(self->dev, self->id, RELAY_CPU_ALL, 1);
	int fd = file_open("r", O_RDONLY | O_NONBLOCK);

	ASSERT_GE(reader, 0);
	put_(0, 100);
	put_(100, 100);
	EXPECT_EQ(reader_read(self->dev, reader, in, 150, 0), 150);
	EXPECT_EQ(read(fd, in + 150, 1000), 50);
	EXPECT_EQ(memcmp(in, out, 200), 0);
	EXPECT_EQ(sum_().read.records, 2);
	put_(200, 70);
	EXPECT_EQ(read(fd, in, 30), 30);
	EXPECT_EQ(reader_read(self->dev, reader, in + 30, 1000, 1), 40);
	EXPECT_EQ(memcmp(in, out + 200, 70), 0);
	EXPECT_EQ(reader_read(self->dev, reader, in, 1, 0), -EAGAIN);
	EXPECT_EQ(sum_().read.bytes, 270);
	/* Nothing happens. */
	put_(270, 10);
	EXPECT_EQ(consume_bytes(self->dev, reader, 10), 0);
	EXPECT_EQ(consume_subbufs(self->dev, reader, 10), 0);
	EXPECT_EQ(sum_().unread.bytes, 10);
	close(fd);
}

TEST_F(readers, who_observes_consumes_what_it_says)
{
	int reader = reader_add(self->dev, self->id, self->cpu, 0);

	ASSERT_GE(reader, 0);
	for (int i = 0; i < 10; i++)
		put_(i * 100, 100);
	EXPECT_EQ(reader_read(self->dev, reader, in, 450, 0), 450);
	EXPECT_EQ(sum_().read.bytes, 0);
	EXPECT_EQ(consume_bytes(self->dev, reader, 250), 0);
	EXPECT_EQ(sum_().read.bytes, 250);
	EXPECT_EQ(consume_bytes(self->dev, reader, 50), 0);
	EXPECT_EQ(sum_().read.bytes, 300);
	/* No more than it has read. */
	EXPECT_EQ(consume_bytes(self->dev, reader, 10000), 0);
	EXPECT_EQ(sum_().read.bytes, 450);
	EXPECT_EQ(consume_bytes(self->dev, reader, ~0ull), 0);
	EXPECT_EQ(sum_().read.bytes, 450);
	EXPECT_EQ(reader_read(self->dev, reader, in + 450, 10000, 0), 550);
	EXPECT_EQ(memcmp(in, out, 1000), 0);
	EXPECT_EQ(consume_bytes(self->dev, reader, 549), 0);
	EXPECT_EQ(sum_().read.bytes, 999);
	/* Records count when all was consumed that was there together. */
	EXPECT_EQ(sum_().read.records, 0);
	EXPECT_EQ(consume_bytes(self->dev, reader, 1), 0);
	EXPECT_EQ(sum_().read.records, 10);
	EXPECT_EQ(sum_().unread.bytes, 0);
}

TEST_F(readers, sub_buffers_that_were_read_are_consumed)
{
	int reader = reader_add(self->dev, self->id, RELAY_CPU_ALL, 0);

	ASSERT_GE(reader, 0);
	/* Of each some is padding. */
	for (int i = 0; i < N; i++)
		put_(i * 4000, 4000);
	EXPECT_EQ(reader_read(self->dev, reader, in, 2 * 4000 + 10, 0), 2 * 4000 + 10);
	EXPECT_EQ(consume_subbufs(self->dev, reader, 0), 0);
	EXPECT_EQ(sum_().read.records, 0);
	EXPECT_EQ(consume_subbufs(self->dev, reader, 1), 0);
	EXPECT_EQ(sum_().read.bytes, 4000);
	/* Of the third only a part was read: it is not over. */
	EXPECT_EQ(consume_subbufs(self->dev, reader, 7), 0);
	EXPECT_EQ(sum_().read.bytes, 8000);
	EXPECT_EQ(sum_().subbufs_consumed, 2);
	EXPECT_EQ(reader_read(self->dev, reader, in, sizeof(in), 0), 2 * 4000 - 10);
	EXPECT_EQ(consume_subbufs(self->dev, reader, 1), 0);
	EXPECT_EQ(sum_().read.bytes, 12000);
	/* The last one is not over, either; its bytes can be told. */
	EXPECT_EQ(consume_subbufs(self->dev, reader, 1), 0);
	EXPECT_EQ(sum_().read.bytes, 12000);
	EXPECT_EQ(consume_bytes(self->dev, reader, 16000), 0);
	EXPECT_EQ(sum_().read.bytes, 16000);
}

TEST_F(readers, a_sub_buffer_that_ends_after_all_of_it_was_read)
{
	int reader = reader_add(self->dev, self->id, self->cpu, 0);

	ASSERT_GE(reader, 0);
	put_(0, 100);
	EXPECT_EQ(reader_read(self->dev, reader, in, 100, 0), 100);
	EXPECT_EQ(consume_bytes(self->dev, reader, 100), 0);
	EXPECT_EQ(calls(self->dev, CALLS_FLUSH, self->id), 0);
	put_(100, 50);
	EXPECT_EQ(reader_read(self->dev, reader, in, 50, 0), 50);
	EXPECT_EQ(consume_subbufs(self->dev, reader, 1), 0);
	EXPECT_EQ(sum_().read.bytes, 100);
	EXPECT_EQ(sum_().subbufs_consumed, 1);
	EXPECT_EQ(consume_bytes(self->dev, reader, 50), 0);
	EXPECT_EQ(sum_().read.bytes, 150);
}

TEST_F(readers, without_a_buffer_it_only_counts)
{
	int reader = reader_add(self->dev, self->id, self->cpu, 1);

	ASSERT_GE(reader, 0);
	EXPECT_EQ(reader_read(self->dev, reader, NULL, 100, 0), -EAGAIN);
	EXPECT_EQ(reader_read(self->dev, reader, NULL, 0, 0), 0);
	EXPECT_EQ(reader_read(self->dev, reader, in, 0, 0), 0);
	EXPECT_EQ(avail(self->dev, reader), 0);
	for (int i = 0; i < 3; i++)
		put_(i * 3000, 3000);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(reader_read(self->dev, reader, NULL, 100, 0), 100);
		EXPECT_EQ(reader_read(self->dev, reader, NULL, 1 << 20, 1), 9000);
		EXPECT_EQ(avail(self->dev, reader), 9000);
		EXPECT_EQ(reader_read(self->dev, reader, in, 0, 1), 0);
	}
	EXPECT_EQ(sum_().read.bytes, 0);
	EXPECT_EQ(reader_read(self->dev, reader, in, 100, 0), 100);
	EXPECT_EQ(avail(self->dev, reader), 8900);
	EXPECT_EQ(reader_read(self->dev, reader, in + 100, sizeof(in), 0), 8900);
	EXPECT_EQ(memcmp(in, out, 9000), 0);
	EXPECT_EQ(avail(self->dev, reader), 0);
}

TEST_F(readers, who_may_consume_beside_whom)
{
	int kinds[3], fd;

	fd = file_open("r.d/cpu0", O_RDONLY | O_EXCL);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(reader_add(self->dev, self->id, RELAY_CPU_ALL, 1), -EBUSY);
	EXPECT_EQ(reader_add(self->dev, self->id, self->cpu, 0), -EBUSY);
	EXPECT_EQ(map_reader_add(self->dev, self->id, self->cpu), -EBUSY);
	close(fd);
	kinds[0] = reader_add(self->dev, self->id, self->cpu, 1);
	ASSERT_GE(kinds[0], 0);
	EXPECT_EQ(file_open("r.d/cpu0", O_RDONLY | O_EXCL), -1);
	EXPECT_EQ(errno, EBUSY);
	EXPECT_EQ(file_open("r", O_RDONLY | O_EXCL), -1);
	EXPECT_EQ(errno, EBUSY);
	/* Of each other they are not jealous. */
	kinds[1] = reader_add(self->dev, self->id, RELAY_CPU_ALL, 0);
	kinds[2] = map_reader_add(self->dev, self->id, self->cpu);
	ASSERT_GE(kinds[1], 0);
	ASSERT_GE(kinds[2], 0);
	/* Observers of users do not matter. */
	fd = observer_open("r", O_RDONLY | O_NONBLOCK);
	EXPECT_GE(fd, 0);
	close(fd);
	EXPECT_EQ(calls(self->dev, CALLS_REMOVE_READER, kinds[0]), 0);
	EXPECT_EQ(file_open("r", O_RDONLY | O_EXCL), -1);
	EXPECT_EQ(calls(self->dev, CALLS_REMOVE_READER, kinds[1]), 0);
	EXPECT_EQ(file_open("r", O_RDONLY | O_EXCL), -1);
	EXPECT_EQ(calls(self->dev, CALLS_REMOVE_MAP_READER, kinds[2]), 0);
	fd = file_open("r", O_RDONLY | O_EXCL);
	EXPECT_GE(fd, 0);
	close(fd);
}

TEST_F(readers, what_is_refused)
{
	bool global = variant->flags & GLOBAL;
	int map = map_reader_add(self->dev, self->id, self->cpu);
	int reader = reader_add(self->dev, self->id, self->cpu, 0);

	ASSERT_GE(map, 0);
	ASSERT_GE(reader, 0);
	put_(0, 10);
	EXPECT_EQ(reader_read(self->dev, map, in, 10, 0), -EINVAL);
	EXPECT_EQ(reader_read(self->dev, map, NULL, 0, 1), -EINVAL);
	EXPECT_EQ(calls(self->dev, CALLS_REMOVE_READER, map), -EINVAL);
	EXPECT_EQ(calls(self->dev, CALLS_REMOVE_MAP_READER, reader), -EINVAL);
	/* They are still there. */
	EXPECT_EQ(avail(self->dev, map), 10);
	EXPECT_EQ(avail(self->dev, reader), 10);
	EXPECT_EQ(reader_add(self->dev, self->id, global ? 0 : RELAY_CPU_NONE, 0), -ENXIO);
	EXPECT_EQ(map_reader_add(self->dev, self->id, global ? 0 : RELAY_CPU_NONE), -ENXIO);
	EXPECT_EQ(map_reader_add(self->dev, self->id, RELAY_CPU_ALL), -ENXIO);
	EXPECT_EQ(reader_add(self->dev, self->id, 100000, 1), -ENXIO);
	ASSERT_EQ(calls(self->dev, CALLS_GET, self->id), 0);
	ASSERT_EQ(calls(self->dev, CALLS_CLOSE, self->id), 0);
	EXPECT_EQ(reader_add(self->dev, self->id, self->cpu, 1), -ESHUTDOWN);
	EXPECT_EQ(reader_add(self->dev, self->id, RELAY_CPU_ALL, 0), -ESHUTDOWN);
	EXPECT_EQ(map_reader_add(self->dev, self->id, self->cpu), -ESHUTDOWN);
}

TEST_F(readers, after_the_end_it_reads_what_is_left)
{
	int64_t used = parameter_get("used_bytes");
	int readers[2];

	readers[0] = reader_add(self->dev, self->id, RELAY_CPU_ALL, 0);
	readers[1] = reader_add(self->dev, self->id, self->cpu, 1);
	for (int i = 0; i < 3; i++)
		put_(i * 3000, 3000);
	EXPECT_EQ(reader_read(self->dev, readers[0], in, 1000, 0), 1000);
	ASSERT_EQ(calls(self->dev, CALLS_CLOSE, self->id), 0);
	EXPECT_EQ(reader_read(self->dev, readers[0], in + 1000, sizeof(in), 1), 8000);
	EXPECT_EQ(memcmp(in, out, 9000), 0);
	EXPECT_EQ(reader_read(self->dev, readers[0], in, 1, 1), 0);
	EXPECT_EQ(reader_read(self->dev, readers[0], NULL, 1, 0), 0);
	EXPECT_EQ(consume_bytes(self->dev, readers[0], 3000), 0);
	EXPECT_EQ(avail(self->dev, readers[1]), 6000);
	EXPECT_EQ(calls(self->dev, CALLS_REMOVE_READER, readers[0]), 0);
	EXPECT_EQ(reader_read(self->dev, readers[1], in, sizeof(in), 1), 6000);
	EXPECT_EQ(memcmp(in, out + 3000, 6000), 0);
	EXPECT_EQ(reader_read(self->dev, readers[1], in, 1, 1), 0);
	EXPECT_EQ(is_empty(self->dev, readers[1]), 1);
	EXPECT_EQ(parameter_get("used_bytes"), used);
	EXPECT_EQ(calls(self->dev, CALLS_REMOVE_READER, readers[1]), 0);
	EXPECT_LT(parameter_get("used_bytes"), used);
}

/* Of the three ways to say what was consumed, each makes room. */
TEST_F(readers, consuming_makes_room)
{
	int whole, one, map;
	bool keep = variant->flags & KEEP;

	whole = reader_add(self->dev, self->id, RELAY_CPU_ALL, 0);
	one = reader_add(self->dev, self->id, self->cpu, 0);
	map = map_reader_add(self->dev, self->id, self->cpu);
	for (int i = 0; i < N; i++) {
		EXPECT_EQ(is_full(self->dev, one), 0);
		put_(i * SUBBUF, SUBBUF);
	}
	if (!keep) {
		EXPECT_EQ(is_full(self->dev, one), 0);
		EXPECT_EQ(is_full(self->dev, whole), 0);
		return;
	}
	EXPECT_EQ(is_full(self->dev, whole), 1);
	EXPECT_EQ(is_full(self->dev, map), 1);
	EXPECT_EQ(calls(self->dev, CALLS_FULL, one, .hardirq = 1), 1);
	EXPECT_EQ(calls_write(self->dev, self->id, out, 1), -ENOSPC);
	/* What was not read is not given up. */
	EXPECT_EQ(consume_bytes(self->dev, one, SUBBUF), 0);
	EXPECT_EQ(consume_subbufs(self->dev, whole, 1), 0);
	EXPECT_EQ(calls_write(self->dev, self->id, out, 1), -ENOSPC);
	EXPECT_EQ(reader_read(self->dev, one, in, SUBBUF, 0), SUBBUF);
	EXPECT_EQ(consume_bytes(self->dev, one, SUBBUF - 1), 0);
	EXPECT_EQ(calls_write(self->dev, self->id, out, 1), -ENOSPC);
	EXPECT_EQ(consume_bytes(self->dev, one, 1), 0);
	EXPECT_EQ(is_full(self->dev, one), 0);
	/* Who speaks for a mapping counts for itself, and says it without having read. */
	EXPECT_EQ(consume_subbufs(self->dev, map, 1), 0);
	put_(N * SUBBUF, SUBBUF);
	EXPECT_EQ(calls_write(self->dev, self->id, out, 1), -ENOSPC);
	EXPECT_EQ(consume_subbufs(self->dev, map, 1), 0);
	put_((N + 1) * SUBBUF, SUBBUF);
	EXPECT_EQ(calls_write(self->dev, self->id, out, 1), -ENOSPC);
	EXPECT_EQ(consume_bytes(self->dev, map, SUBBUF), 0);
	put_((N + 2) * SUBBUF, SUBBUF);
	EXPECT_EQ(calls_write(self->dev, self->id, out, 1), -ENOSPC);
	EXPECT_EQ(is_full(self->dev, map), 1);
	EXPECT_EQ(sum_().unread.bytes, N * SUBBUF);
}

TEST_F(readers, a_map_reader_consumes_at_most_what_there_is)
{
	int map = map_reader_add(self->dev, self->id, self->cpu);

	ASSERT_GE(map, 0);
	EXPECT_EQ(consume_bytes(self->dev, map, 1000), 0);
	EXPECT_EQ(consume_subbufs(self->dev, map, 1000), 0);
	for (int i = 0; i < 3; i++)
		put_(i * 4000, 4000);
	EXPECT_EQ(sum_().read.bytes, 0);
	EXPECT_EQ(avail(self->dev, map), 12000);
	EXPECT_EQ(consume_subbufs(self->dev, map, 5), 0);
	EXPECT_EQ(sum_().read.bytes, 8000);
	EXPECT_EQ(is_empty(self->dev, map), 0);
	EXPECT_EQ(consume_bytes(self->dev, map, 100000), 0);
	EXPECT_EQ(sum_().read.bytes, 12000);
	EXPECT_EQ(is_empty(self->dev, map), 1);
	EXPECT_EQ(avail(self->dev, map), 0);
	put_(0, 10);
	EXPECT_EQ(sum_().unread.bytes, 10);
}

TEST_F(readers, of_several_the_furthest_counts)
{
	int a = reader_add(self->dev, self->id, self->cpu, 0);
	int b = reader_add(self->dev, self->id, RELAY_CPU_ALL, 0);
	int c = map_reader_add(self->dev, self->id, self->cpu);

	for (int i = 0; i < 10; i++)
		put_(i * 100, 100);
	EXPECT_EQ(reader_read(self->dev, a, in, 500, 0), 500);
	EXPECT_EQ(reader_read(self->dev, b, in, 800, 0), 800);
	EXPECT_EQ(consume_bytes(self->dev, a, 300), 0);
	EXPECT_EQ(sum_().read.bytes, 300);
	/* Each counts for itself. */
	EXPECT_EQ(consume_bytes(self->dev, b, 200), 0);
	EXPECT_EQ(consume_bytes(self->dev, c, 250), 0);
	EXPECT_EQ(sum_().read.bytes, 300);
	EXPECT_EQ(consume_bytes(self->dev, b, 150), 0);
	EXPECT_EQ(sum_().read.bytes, 350);
	EXPECT_EQ(consume_bytes(self->dev, c, 400), 0);
	EXPECT_EQ(sum_().read.bytes, 650);
	EXPECT_EQ(consume_bytes(self->dev, a, 1000), 0);
	EXPECT_EQ(sum_().read.bytes, 650);
	/* What was consumed can still be read by who was slower. */
	EXPECT_EQ(reader_read(self->dev, a, in, 1000, 0), 500);
	EXPECT_EQ(memcmp(in, out + 500, 500), 0);
}

TEST_F(readers, what_is_overwritten_is_lost)
{
	int a = reader_add(self->dev, self->id, self->cpu, 0);
	int b = reader_add(self->dev, self->id, RELAY_CPU_ALL, 1);
	struct rchan_info info;
	long n;

	if (variant->flags & KEEP)
		SKIP(return, "nothing is overwritten");
	EXPECT_EQ(reader_lost(self->dev, a), 0);
	ASSERT_EQ(pattern_write(self->dev, self->id, 1, 0, 1000, 64, false), 1000);
	n = reader_read(self->dev, a, in, sizeof(in), 0);
	EXPECT_EQ(reader_lost(self->dev, a), 1000 - n / 64);
	EXPECT_EQ(consume_bytes(self->dev, a, n), 0);
	info = sum_();
	EXPECT_EQ(info.read.bytes, n);
	EXPECT_EQ(info.overwritten.records, 1000 - n / 64);
	EXPECT_EQ(reader_lost(self->dev, b), 1000 - n / 64);
	EXPECT_EQ(reader_read(self->dev, b, in, sizeof(in), 0), -EAGAIN);
	/* Read, overwritten, and only then said to be consumed: that changes nothing any more. */
	ASSERT_EQ(pattern_write(self->dev, self->id, 1, 1000, 100, 64, false), 100);
	EXPECT_EQ(reader_read(self->dev, a, in, sizeof(in), 0), 6400);
	ASSERT_EQ(pattern_write(self->dev, self->id, 1, 1100, 1000, 64, false), 1000);
	info = sum_();
	EXPECT_EQ(consume_bytes(self->dev, a, 6400), 0);
	EXPECT_EQ(sum_().read.bytes, info.read.bytes);
	EXPECT_EQ(sum_().unread.bytes, info.unread.bytes);
}

TEST_F(readers, a_reset_throws_away_for_all)
{
	int a = reader_add(self->dev, self->id, self->cpu, 0);

	for (int i = 0; i < 3; i++)
		put_(i * 3000, 3000);
	EXPECT_EQ(reader_read(self->dev, a, in, 4000, 0), 4000);
	EXPECT_EQ(consume_bytes(self->dev, a, 1000), 0);
	EXPECT_EQ(calls(self->dev, CALLS_RESET, self->id), 0);
	EXPECT_EQ(avail(self->dev, a), 0);
	EXPECT_EQ(is_empty(self->dev, a), 1);
	EXPECT_EQ(sum_().read.bytes, 1000);
	EXPECT_EQ(consume_bytes(self->dev, a, 5000), 0);
	EXPECT_EQ(sum_().read.bytes, 1000);
	put_(100, 50);
	EXPECT_EQ(reader_read(self->dev, a, in, 4000, 0), 50);
	EXPECT_EQ(memcmp(in, out + 100, 50), 0);
	EXPECT_EQ(consume_bytes(self->dev, a, 50), 0);
	EXPECT_EQ(sum_().read.bytes, 1050);
}

TEST_F(readers, reserves_are_read_and_consumed_as_users_get_them)
{
	int id = calls_open(self->dev, "reserves", (struct calls_open){
		.subbuf_size = SUBBUF, .n_subbufs = N, .flags = variant->flags,
		.start_reserve = 16, .end_reserve = 8 });
	int a = reader_add(self->dev, id, self->cpu, 0);
	struct rchan_info info;

	ASSERT_GE(id, 0);
	ASSERT_GE(a, 0);
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(calls_write(self->dev, id, out, 3000), 3000);
	EXPECT_EQ(avail(self->dev, a), 16 + 3000 + 8 + 16 + 3000);
	EXPECT_EQ(reader_read(self->dev, a, in, sizeof(in), 0), 16 + 3000 + 8 + 16 + 3000);
	EXPECT_EQ(memcmp(in + 16, out, 3000), 0);
	EXPECT_EQ(consume_bytes(self->dev, a, 16 + 1000), 0);
	EXPECT_EQ(calls_info(self->dev, id).read.bytes, 1000);
	EXPECT_EQ(consume_bytes(self->dev, a, 2000 + 8 + 16 + 1), 0);
	info = calls_info(self->dev, id);
	EXPECT_EQ(info.read.bytes, 3001);
	EXPECT_TRUE(adds_up(&info));
}

TEST_F(readers, packets_are_read_and_consumed_whole)
{
	int id = calls_open(self->dev, "packets", (struct calls_open){
		.subbuf_size = SUBBUF, .n_subbufs = N,
		.flags = variant->flags | RELAY_FORMAT_RECORDS });
	int reader = reader_add(self->dev, id, self->cpu, 0);
	int fd = file_open("packets.d/cpu0", O_RDONLY | O_NONBLOCK);
	struct rchan_info info;
	uint32_t magic;
	long n;

	ASSERT_GE(id, 0);
	ASSERT_GE(reader, 0);
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(calls_write(self->dev, id, out, 100), 100);
		if (i % 2)
			ASSERT_EQ(calls(self->dev, CALLS_FLUSH, id), 0);
	}
	n = avail(self->dev, reader) / 2;
	ASSERT_GT(n, 200);
	EXPECT_EQ(reader_read(self->dev, reader, in, n - 1, 0), -EMSGSIZE);
	EXPECT_EQ(reader_read(self->dev, reader, NULL, n - 1, 1), -EMSGSIZE);
	EXPECT_EQ(read(fd, in, n - 1), -1);
	EXPECT_EQ(errno, EMSGSIZE);
	EXPECT_EQ(reader_read(self->dev, reader, NULL, 2 * n - 1, 0), n);
	EXPECT_EQ(reader_read(self->dev, reader, in, 2 * n - 1, 1), n);
	memcpy(&magic, in, sizeof(magic));
	EXPECT_EQ(magic, 0xc1fc1fc1);
	EXPECT_EQ(consume_bytes(self->dev, reader, n - 1), 0);
	EXPECT_EQ(calls_info(self->dev, id).read.bytes, 0);
	EXPECT_EQ(consume_bytes(self->dev, reader, 1), 0);
	info = calls_info(self->dev, id);
	EXPECT_EQ(info.read.records, 2);
	EXPECT_TRUE(adds_up(&info));
	/* Users go on behind that. */
	EXPECT_EQ(read(fd, in, sizeof(in)), n);
	memcpy(&magic, in, sizeof(magic));
	EXPECT_EQ(magic, 0xc1fc1fc1);
	EXPECT_EQ(calls_info(self->dev, id).read.records, 4);
	close(fd);
}

TEST_F(readers, empty_or_not)
{
	int a = reader_add(self->dev, self->id, RELAY_CPU_ALL, 0);

	for (int irq = 0; irq < 2; irq++) {
		EXPECT_EQ(calls(self->dev, CALLS_EMPTY, a, .hardirq = irq), 1);
		put_(0, 1);
		EXPECT_EQ(calls(self->dev, CALLS_EMPTY, a, .hardirq = irq), 0);
		EXPECT_EQ(reader_read(self->dev, a, in, 1, 0), 1);
	}
	EXPECT_EQ(is_empty(self->dev, a), 1);
}

TEST_F(readers, all_buffers_in_order_of_time)
{
	int a = reader_add(self->dev, self->id, RELAY_CPU_ALL, 0);
	int n = cpus();

	if (n < 3 || variant->flags & GLOBAL)
		SKIP(return, "one buffer, or too few for as many sub-buffers");
	for (int i = 0; i < 12; i++) {
		pin_to_cpu(i * 5 % n);
		next_moment();
		put_(i * 100, 100);
		ASSERT_EQ(calls(self->dev, CALLS_FLUSH, self->id), 0);
	}
	pin_to_cpu(0);
	EXPECT_EQ(avail(self->dev, a), 1200);
	EXPECT_EQ(reader_read(self->dev, a, in, 850, 0), 850);
	EXPECT_EQ(consume_bytes(self->dev, a, 350), 0);
	EXPECT_EQ(sum_().read.bytes, 350);
	EXPECT_EQ(consume_subbufs(self->dev, a, 4), 0);
	EXPECT_EQ(reader_read(self->dev, a, in + 850, 850, 0), 350);
	EXPECT_EQ(memcmp(in, out, 1200), 0);
	EXPECT_EQ(consume_subbufs(self->dev, a, 100), 0);
	EXPECT_EQ(sum_().read.records, 12);
}

TEST_F(readers, what_users_write_to_a_duplex_channel)
{
	int id = calls_open(self->dev, "duplex", (struct calls_open){
		.subbuf_size = SUBBUF, .n_subbufs = N, .flags = variant->flags | RELAY_DUPLEX,
		.mode = 0666 });
	int all = reader_add(self->dev, id, RELAY_CPU_ALL, 0);
	int one = reader_add(self->dev, id, self->cpu, 0);
	int fd = file_open("duplex", O_RDWR | O_NONBLOCK);

	ASSERT_GE(id, 0);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(calls_write(self->dev, id, out, 100), 100);
	EXPECT_EQ(write(fd, out + 200, 50), 50);
	/* Each side has what the other wrote. */
	EXPECT_EQ(reader_read(self->dev, all, in, sizeof(in), 0), 50);
	EXPECT_EQ(memcmp(in, out + 200, 50), 0);
	EXPECT_EQ(reader_read(self->dev, one, in, sizeof(in), 0), 100);
	EXPECT_EQ(read(fd, in, sizeof(in)), 100);
	EXPECT_EQ(memcmp(in, out, 100), 0);
	/* What is consumed makes room for users. */
	EXPECT_EQ(consume_bytes(self->dev, all, 50), 0);
	for (int i = 0; i < N; i++)
		EXPECT_EQ(write(fd, out, SUBBUF), i < N - 1 ? SUBBUF : -1);
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(is_full(self->dev, all), 1);
	EXPECT_EQ(reader_read(self->dev, all, in, SUBBUF, 0), SUBBUF);
	EXPECT_EQ(write(fd, out, SUBBUF), -1);
	EXPECT_EQ(consume_subbufs(self->dev, all, 2), 0);
	EXPECT_EQ(write(fd, out, SUBBUF), SUBBUF);
	EXPECT_EQ(calls(self->dev, CALLS_CLOSE, id), 0);
	EXPECT_EQ(reader_read(self->dev, all, in, sizeof(in), 1), (N - 1) * SUBBUF);
	EXPECT_EQ(reader_read(self->dev, all, in, sizeof(in), 1), 0);
	close(fd);
}

TEST_HARNESS_MAIN
