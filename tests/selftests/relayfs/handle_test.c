// SPDX-License-Identifier: GPL-2.0
/* A channel's handle: kept beyond its close, and what it tells of the channel. */

#include "calls.h"

#define SUBBUF	4096

FIXTURE(handle)
{
	int dev;
	int id;
};

FIXTURE_VARIANT(handle)
{
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(handle, smp) { .flags = RELAY_USAGE_SMP };
FIXTURE_VARIANT_ADD(handle, global) { .flags = RELAY_USAGE_GLOBAL };
FIXTURE_VARIANT_ADD(handle, smp_locking) { .flags = RELAY_USAGE_SMP | RELAY_SCHEME_LOCKING };
FIXTURE_VARIANT_ADD(handle, global_locking)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING,
};

FIXTURE_SETUP(handle)
{
	self->dev = calls_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->id = calls_open(self->dev, "h", (struct calls_open){
		.subbuf_size = SUBBUF, .n_subbufs = 4,
		.flags = variant->flags | RELAY_MODE_NO_OVERWRITE });
	ASSERT_GE(self->id, 0);
}

FIXTURE_TEARDOWN(handle)
{
	close(self->dev);
}

static const char record[SUBBUF];

#define call_(op, ...) calls(self->dev, op, self->id, ##__VA_ARGS__)

TEST_F(handle, what_is_kept_is_closed_all_the_same)
{
	struct calls_part part = { .data = (uintptr_t)record, .len = 10 };
	struct rchan_info info;
	int64_t used = parameter_get("used_bytes");
	uint32_t n;

	EXPECT_EQ(calls_write(self->dev, self->id, record, 100), 100);
	EXPECT_EQ(call_(CALLS_FILE_DATA, .cpu = RELAY_CPU_ALL), 0);
	ASSERT_EQ(call_(CALLS_GET), 0);
	ASSERT_EQ(call_(CALLS_GET), 0);
	ASSERT_EQ(call_(CALLS_CLOSE), 0);
	EXPECT_FALSE(file_exists("h"));
	EXPECT_EQ(call_(CALLS_FILE_DATA, .cpu = RELAY_CPU_ALL), -ESHUTDOWN);
	for (n = 0; n < 5; n++) {
		EXPECT_EQ(calls_write(self->dev, self->id, record, 1), -ESHUTDOWN);
		EXPECT_EQ(calls_write(self->dev, self->id, record, SUBBUF), -ESHUTDOWN);
		EXPECT_EQ(call_(CALLS_WRITE, .data = (uintptr_t)record, .len = 2, .hardirq = 1),
			  -ESHUTDOWN);
		EXPECT_EQ(call_(CALLS_WRITE_WAIT, .data = (uintptr_t)record, .len = 3, .flag = -1),
			  -ESHUTDOWN);
		EXPECT_EQ(call_(CALLS_RESERVE, .len = 4), -ESHUTDOWN);
		EXPECT_EQ(call_(CALLS_WRITEV, .data = (uintptr_t)&part, .len = sizeof(part)),
			  -ESHUTDOWN);
		EXPECT_EQ(call_(CALLS_WRITE_DELTA, .data = (uintptr_t)record, .len = 20),
			  -ESHUTDOWN);
		EXPECT_EQ(call_(CALLS_FLUSH), 0);
	}
	info = calls_info(self->dev, self->id);
	EXPECT_EQ(info.closed.records, 7 * n);
	EXPECT_EQ(info.closed.bytes, (1 + SUBBUF + 2 + 3 + 4 + 10 + 20) * n);
	EXPECT_EQ(info.unread.records, 1);
	EXPECT_TRUE(adds_up(&info));
	EXPECT_EQ(call_(CALLS_RESET), 0);
	info = calls_info(self->dev, self->id);
	EXPECT_EQ(info.overwritten.records, 1);
	EXPECT_TRUE(adds_up(&info));
	/* Its memory goes with the last reference. */
	ASSERT_EQ(call_(CALLS_PUT), 0);
	EXPECT_EQ(parameter_get("used_bytes"), used);
	EXPECT_EQ(calls_info(self->dev, self->id).closed.records, 7 * n);
	ASSERT_EQ(call_(CALLS_PUT), 0);
	EXPECT_LT(parameter_get("used_bytes"), used);
}

TEST_F(handle, put_before_close_changes_nothing)
{
	ASSERT_EQ(call_(CALLS_GET), 0);
	ASSERT_EQ(call_(CALLS_PUT), 0);
	EXPECT_EQ(calls_write(self->dev, self->id, record, 100), 100);
	EXPECT_EQ(calls_info(self->dev, self->id).produced.records, 1);
	EXPECT_EQ(call_(CALLS_CLOSE), 0);
}

/* Of a CPU, or with RELAY_CPU_ALL of the channel. */
static long ask(FIXTURE_DATA(handle) * self, uint32_t cpu, void *info, uint64_t len)
{
	return call_(cpu == RELAY_CPU_ALL ? CALLS_INFO : CALLS_CPU_INFO, .cpu = cpu,
		     .data = (uintptr_t)info, .len = len);
}

TEST_F(handle, the_size_of_the_structure_is_its_version)
{
	struct {
		struct rchan_info info;
		uint64_t more[2];
	} big = { .info.size = sizeof(big), .more = { ~0ull, ~0ull } };
	struct rchan_info info;

	for (uint32_t size = 0; size < sizeof(info); size += 4) {
		info.size = size;
		ASSERT_EQ(ask(self, RELAY_CPU_ALL, &info, sizeof(info)), -EINVAL);
	}
	info.size = sizeof(info) + 4;
	EXPECT_EQ(ask(self, RELAY_CPU_ALL, &info, sizeof(info)), -EINVAL);
	info.size = ~7u;
	EXPECT_EQ(ask(self, RELAY_CPU_ALL, &info, sizeof(info)), -EINVAL);
	EXPECT_EQ(ask(self, variant->flags & RELAY_USAGE_GLOBAL ? RELAY_CPU_NONE : 0, &info,
		      sizeof(info)), -EINVAL);
	/* A client that knows more. */
	EXPECT_EQ(ask(self, RELAY_CPU_ALL, &big, sizeof(big)), 0);
	EXPECT_EQ(big.info.size, sizeof(info));
	EXPECT_EQ(big.info.n_subbufs, 4);
	EXPECT_EQ(big.more[0], 0);
	EXPECT_EQ(big.more[1], 0);
}

TEST_F(handle, what_the_channel_is_like)
{
	bool global = variant->flags & RELAY_USAGE_GLOBAL;
	uint32_t cpu = global ? RELAY_CPU_NONE : 0;
	struct rchan_info info = { .size = sizeof(info) };
	char in[4096];
	int fds[2];

	for (int i = 0; i < 11; i++)
		EXPECT_EQ(calls_write(self->dev, self->id, record, 1500), i < 8 ? 1500 : -ENOSPC);
	fds[0] = file_open("h", O_RDONLY);
	fds[1] = file_open("h.d/cpu0", O_RDONLY);
	EXPECT_EQ(read(fds[1], in, sizeof(in)), 4096);
	ASSERT_EQ(ask(self, cpu, &info, sizeof(info)), 0);
	EXPECT_EQ(info.size, sizeof(info));
	EXPECT_EQ(info.flags, variant->flags | RELAY_MODE_NO_OVERWRITE | RELAY_DELIVERY_BULK |
		  RELAY_TIMESTAMP_MONO | RELAY_FORMAT_RAW |
		  (variant->flags & RELAY_SCHEME_LOCKING ? 0 : RELAY_SCHEME_LOCKLESS));
	EXPECT_EQ(info.subbuf_size, SUBBUF);
	EXPECT_EQ(info.n_subbufs, 4);
	EXPECT_EQ(info.n_buffers, 1);
	EXPECT_EQ(info.generation, 0);
	EXPECT_EQ(info.current_seq, 3);
	EXPECT_EQ(info.subbufs_produced, 3);
	EXPECT_EQ(info.subbufs_consumed, 1);
	EXPECT_EQ(info.produced.records, 8);
	EXPECT_EQ(info.produced.bytes, 12000);
	/* Records of the sub-buffer that is half read count when that is read. */
	EXPECT_EQ(info.read.records, 2);
	EXPECT_EQ(info.read.bytes, 4096);
	EXPECT_EQ(info.full.records, 3);
	EXPECT_EQ(info.full.bytes, 4500);
	EXPECT_EQ(info.open_files, 0);
	EXPECT_TRUE(adds_up(&info));
	EXPECT_EQ(ask(self, global ? 0 : RELAY_CPU_NONE, &info, sizeof(info)), -ENXIO);
	EXPECT_EQ(ask(self, 100000, &info, sizeof(info)), -ENXIO);
	info = calls_info(self->dev, self->id);
	EXPECT_EQ(info.n_buffers, global ? 1 : cpus());
	EXPECT_EQ(info.current_seq, 0);
	EXPECT_EQ(info.subbufs_produced, 3);
	EXPECT_EQ(info.open_files, 2);
	close(fds[0]);
	EXPECT_EQ(calls_info(self->dev, self->id).open_files, 1);
	close(fds[1]);
	EXPECT_EQ(calls_info(self->dev, self->id).open_files, 0);
}

TEST_F(handle, sums_are_over_all_buffers)
{
	struct rchan_info sum, one;

	for (int cpu = 0; cpu < cpus(); cpu++) {
		ASSERT_EQ(pin_to_cpu(cpu), 0);
		EXPECT_EQ(calls_write(self->dev, self->id, record, 100), 100);
	}
	sum = calls_info(self->dev, self->id);
	EXPECT_EQ(sum.produced.records, cpus());
	EXPECT_EQ(sum.produced.bytes, 100 * cpus());
	EXPECT_TRUE(adds_up(&sum));
	if (variant->flags & RELAY_USAGE_GLOBAL)
		return;
	for (int cpu = 0; cpu < cpus(); cpu++) {
		one.size = sizeof(one);
		ASSERT_EQ(ask(self, cpu, &one, sizeof(one)), 0);
		EXPECT_EQ(one.produced.records, 1);
	}
}

TEST_F(handle, overwritten_sub_buffers_are_no_more)
{
	int id = calls_open(self->dev, "o", (struct calls_open){
		.subbuf_size = SUBBUF, .n_subbufs = 4, .flags = variant->flags });
	struct rchan_info info;

	ASSERT_GE(id, 0);
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(calls_write(self->dev, id, record, SUBBUF), SUBBUF);
	info = calls_info(self->dev, id);
	EXPECT_EQ(info.subbufs_produced, 10);
	EXPECT_EQ(info.subbufs_consumed, 6);
	EXPECT_EQ(info.overwritten.records, 6);
	EXPECT_EQ(info.unread.records, 4);
	EXPECT_EQ(calls_write(self->dev, id, record, 1), 1);
	info = calls_info(self->dev, id);
	EXPECT_EQ(info.subbufs_consumed, 7);
	EXPECT_TRUE(adds_up(&info));
}

TEST_F(handle, memory_of_a_node)
{
	static const uint32_t there[] = { RELAY_NODE_LOCAL, RELAY_NODE_ANY, RELAY_NODE(0) };
	static const uint32_t absent[] = { RELAY_NODE(1), RELAY_NODE(63), RELAY_NODE(9999), ~0u };

	for (int i = 0; i < 3; i++) {
		int id = calls_open(self->dev, "node", (struct calls_open){
			.flags = variant->flags, .node = there[i] });

		ASSERT_GE(id, 0);
		EXPECT_EQ(calls_write(self->dev, id, record, 100), 100);
		EXPECT_EQ(calls(self->dev, CALLS_CLOSE, id), 0);
	}
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(calls_open(self->dev, "node", (struct calls_open){
			.flags = variant->flags, .node = absent[i] }), -EINVAL);
}

TEST_HARNESS_MAIN
