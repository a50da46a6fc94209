// SPDX-License-Identifier: GPL-2.0
/* Readers in the kernel: what they read, count, consume and refuse. */

#include "readers_rig.h"

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

TEST_HARNESS_MAIN
