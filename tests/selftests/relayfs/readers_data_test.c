// SPDX-License-Identifier: GPL-2.0
/* What readers in the kernel find: losses, resets, reserves, packets, all buffers, users' data. */

#include "readers_rig.h"

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
