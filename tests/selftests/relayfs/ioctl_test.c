// SPDX-License-Identifier: GPL-2.0
/* ioctls: ending sub-buffers, throwing away, asking what there is, and consuming by position. */

#include "relaytest.h"

#define SUBBUF	4096
#define N	4
#define PLAIN	(O_RDONLY | O_NONBLOCK)

FIXTURE(ioctl)
{
	int dev, id, fd;
};

FIXTURE_VARIANT(ioctl)
{
	const char *file;
	uint32_t flags;
	bool whole;
};

FIXTURE_VARIANT_ADD(ioctl, buffer_overwrite)
{
	.file = "i.d/cpu0", .flags = RELAY_MODE_CONTINUOUS,
};

FIXTURE_VARIANT_ADD(ioctl, buffer_no_overwrite)
{
	.file = "i.d/cpu0", .flags = RELAY_MODE_NO_OVERWRITE,
};

FIXTURE_VARIANT_ADD(ioctl, global_no_overwrite)
{
	.file = "i.d/cpu0", .flags = RELAY_MODE_NO_OVERWRITE | RELAY_USAGE_GLOBAL,
};

FIXTURE_VARIANT_ADD(ioctl, whole_overwrite)
{
	.file = "i", .flags = RELAY_MODE_CONTINUOUS, .whole = true,
};

FIXTURE_VARIANT_ADD(ioctl, whole_no_overwrite)
{
	.file = "i", .flags = RELAY_MODE_NO_OVERWRITE, .whole = true,
};

FIXTURE_SETUP(ioctl)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->id = chan_open(self->dev, "i", SUBBUF, N, variant->flags);
	ASSERT_GE(self->id, 0);
	self->fd = file_open(variant->file, PLAIN);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(ioctl)
{
	close(self->fd);
	close(self->dev);
}

static int do_ioctl(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) ? -errno : 0;
}

static int get_info(int fd, struct relayfs_info *i)
{
	*i = (struct relayfs_info){ .size = sizeof(*i) };
	return do_ioctl(fd, RELAY_IOC_GET_INFO, i);
}

static int write_records(int dev, int id, int count, int len)
{
	struct relaytest_pattern p = { .id = id, .cpu = 0, .len = len, .count = count };

	return chan_pattern(dev, &p) ? -1 : (int)p.written;
}

TEST_F(ioctl, flush_completes_the_current_sub_buffer_and_tells_the_time)
{
	struct relayfs_info i;
	uint64_t first = 0, second = 0;

	ASSERT_EQ(write_records(self->dev, self->id, 3, 100), 3);
	ASSERT_EQ(get_info(self->fd, &i), 0);
	EXPECT_EQ(i.subbufs_produced, 0);
	ASSERT_EQ(do_ioctl(self->fd, RELAY_IOC_FLUSH, &first), 0);
	ASSERT_EQ(get_info(self->fd, &i), 0);
	EXPECT_EQ(i.subbufs_produced, 1);
	EXPECT_GT(first, 0);
	/* Nothing was written since, so nothing is ended. */
	ASSERT_EQ(do_ioctl(self->fd, RELAY_IOC_FLUSH, &second), 0);
	EXPECT_GE(second, first);
	ASSERT_EQ(get_info(self->fd, &i), 0);
	EXPECT_EQ(i.subbufs_produced, 1);
}

TEST_F(ioctl, flush_of_one_file_leaves_other_buffers)
{
	struct relayfs_info i;
	uint64_t time;
	int other;

	if (cpus() < 2 || variant->flags & RELAY_USAGE_GLOBAL)
		SKIP(return, "one buffer");
	other = file_open("i.d/cpu1", PLAIN);
	ASSERT_GE(other, 0);
	ASSERT_EQ(pin_to_cpu(1), 0);
	ASSERT_EQ(chan_write(self->dev, self->id, "x", 1), 1);
	ASSERT_EQ(do_ioctl(self->fd, RELAY_IOC_FLUSH, &time), 0);
	ASSERT_EQ(get_info(other, &i), 0);
	EXPECT_EQ(i.subbufs_produced, variant->whole ? 1 : 0);
	close(other);
}

TEST_F(ioctl, flush_and_info_are_for_observers_too)
{
	int observer = observer_open(variant->file, PLAIN);
	struct relayfs_info i;
	uint64_t time;

	ASSERT_GE(observer, 0);
	EXPECT_EQ(do_ioctl(observer, RELAY_IOC_FLUSH, &time), 0);
	EXPECT_EQ(get_info(observer, &i), 0);
	EXPECT_EQ(i.readers, 2);
	EXPECT_EQ(i.observers, 1);
	close(observer);
	EXPECT_EQ(get_info(self->fd, &i), 0);
	EXPECT_EQ(i.readers, 1);
	EXPECT_EQ(i.observers, 0);
}

TEST_F(ioctl, reset_throws_away_what_is_unread)
{
	struct relayfs_info i;
	char b[SUBBUF];

	ASSERT_EQ(write_records(self->dev, self->id, 5, 100), 5);
	ASSERT_EQ(do_ioctl(self->fd, RELAY_IOC_RESET, NULL), 0);
	EXPECT_EQ(read(self->fd, b, sizeof(b)), -1);
	EXPECT_EQ(errno, EAGAIN);
	ASSERT_EQ(get_info(self->fd, &i), 0);
	EXPECT_EQ(i.produced.records, 5);
	EXPECT_EQ(i.overwritten.records, 5);
	EXPECT_EQ(i.unread.records, 0);
	ASSERT_EQ(write_records(self->dev, self->id, 1, 100), 1);
	EXPECT_EQ(read(self->fd, b, sizeof(b)), 100);
}

TEST_F(ioctl, reset_is_not_for_observers)
{
	int observer = observer_open(variant->file, PLAIN);
	char b[SUBBUF];

	ASSERT_GE(observer, 0);
	ASSERT_EQ(write_records(self->dev, self->id, 1, 100), 1);
	EXPECT_EQ(do_ioctl(observer, RELAY_IOC_RESET, NULL), -EPERM);
	EXPECT_EQ(read(self->fd, b, sizeof(b)), 100);
	close(observer);
}

TEST_F(ioctl, reset_and_consume_are_not_beside_one_who_consumes_alone)
{
	int alone = file_open(variant->file, PLAIN | O_EXCL);
	uint64_t pos = 100;
	char b[SUBBUF];

	ASSERT_GE(alone, 0);
	ASSERT_EQ(write_records(self->dev, self->id, 1, 100), 1);
	EXPECT_EQ(do_ioctl(self->fd, RELAY_IOC_RESET, NULL), -EBUSY);
	EXPECT_EQ(do_ioctl(self->fd, RELAY_IOC_CONSUME, &pos), variant->whole ? -EINVAL : -EBUSY);
	EXPECT_EQ(read(alone, b, sizeof(b)), 100);
	EXPECT_EQ(do_ioctl(alone, RELAY_IOC_RESET, NULL), 0);
	close(alone);
	EXPECT_EQ(do_ioctl(self->fd, RELAY_IOC_RESET, NULL), 0);
}

TEST_F(ioctl, who_resets_consumes)
{
	int alone;

	ASSERT_EQ(do_ioctl(self->fd, RELAY_IOC_RESET, NULL), 0);
	EXPECT_EQ(do_ioctl(self->fd, RELAY_IOC_OBSERVE, NULL), -EBUSY);
	alone = file_open(variant->file, PLAIN | O_EXCL);
	EXPECT_EQ(alone, -1);
	EXPECT_EQ(errno, EBUSY);
}

TEST_F(ioctl, info_tells_what_the_channel_is)
{
	bool global = variant->flags & RELAY_USAGE_GLOBAL;
	struct relayfs_info i;

	ASSERT_EQ(get_info(self->fd, &i), 0);
	EXPECT_EQ(i.size, sizeof(i));
	EXPECT_EQ(i.flags & variant->flags, variant->flags);
	EXPECT_EQ(i.subbuf_size, SUBBUF);
	EXPECT_EQ(i.n_subbufs, N);
	EXPECT_EQ(i.n_buffers, variant->whole ? cpus() : 1);
	EXPECT_EQ(i.cpu, variant->whole ? RELAYFS_CPU_ALL : global ? RELAYFS_CPU_NONE : 0);
	EXPECT_EQ(i.state, 0);
	EXPECT_EQ(i.generation, 0);
	EXPECT_EQ(i.flush_interval_ms, 100);
	EXPECT_EQ(i.watermark, SUBBUF);
	EXPECT_EQ(i.readers, 1);
	ASSERT_EQ(chan_close(self->dev, self->id), 0);
	ASSERT_EQ(get_info(self->fd, &i), 0);
	EXPECT_EQ(i.state, RELAYFS_STATE_CLOSED);
}

TEST_F(ioctl, info_counts_what_was_written_read_and_lost)
{
	bool overwrite = variant->flags & RELAY_MODE_CONTINUOUS;
	struct relayfs_info i;
	char b[1000];
	int written;

	/* Four a sub-buffer, so 16 find room. */
	written = write_records(self->dev, self->id, 20, 1000);
	ASSERT_EQ(written, overwrite ? 20 : 16);
	ASSERT_EQ(chan_write(self->dev, self->id, NULL, SUBBUF + 1), -EMSGSIZE);
	ASSERT_EQ(read(self->fd, b, sizeof(b)), 1000);
	ASSERT_EQ(get_info(self->fd, &i), 0);
	EXPECT_EQ(i.produced.records, written);
	EXPECT_EQ(i.produced.bytes, written * 1000);
	EXPECT_EQ(i.read.bytes, 1000);
	EXPECT_EQ(i.overwritten.records, overwrite ? 4 : 0);
	EXPECT_EQ(i.overwritten.bytes, overwrite ? 4000 : 0);
	EXPECT_EQ(i.unread.bytes, 15000);
	EXPECT_EQ(i.produced.records, i.read.records + i.overwritten.records + i.unread.records);
	EXPECT_EQ(i.lost[RELAYFS_LOST_FULL].records, overwrite ? 0 : 4);
	EXPECT_EQ(i.lost[RELAYFS_LOST_FULL].bytes, overwrite ? 0 : 4000);
	EXPECT_EQ(i.lost[RELAYFS_LOST_TOO_BIG].records, 1);
	EXPECT_EQ(i.lost[RELAYFS_LOST_TOO_BIG].bytes, SUBBUF + 1);
	EXPECT_EQ(i.lost[RELAYFS_LOST_CAUSES].records, 0);
	EXPECT_EQ(i.current_seq, variant->whole ? 0 : overwrite ? 4 : 3);
}

TEST_F(ioctl, info_of_a_newer_caller_is_filled_in_as_far_as_it_is_known)
{
	struct {
		struct relayfs_info info;
		uint64_t more[2];
	} i = { .info.size = sizeof(i) };

	ASSERT_EQ(do_ioctl(self->fd, _IOWR(RELAY_IOC_MAGIC, 6, i), &i), 0);
	EXPECT_EQ(i.info.size, sizeof(i.info));
	EXPECT_EQ(i.info.subbuf_size, SUBBUF);
	EXPECT_EQ(i.more[0], 0);
	EXPECT_EQ(i.more[1], 0);
	/* What it asks for there is not known. */
	i.info.size = sizeof(i);
	i.more[1] = 1;
	EXPECT_EQ(do_ioctl(self->fd, _IOWR(RELAY_IOC_MAGIC, 6, i), &i), -E2BIG);
	EXPECT_EQ(i.more[1], 1);
}

TEST_F(ioctl, info_of_no_version_is_refused)
{
	static const struct { uint32_t size; int error; } bad[] = {
		{ 0, -EINVAL }, { 4, -EINVAL }, { sizeof(struct relayfs_info) - 8, -EINVAL },
		{ sizeof(struct relayfs_info) + 4, -EINVAL }, { 4096 + 8, -E2BIG }, { ~0u, -E2BIG },
	};
	struct relayfs_info i = { };

	for (size_t n = 0; n < sizeof(bad) / sizeof(*bad); n++) {
		i.size = bad[n].size;
		EXPECT_EQ(do_ioctl(self->fd, RELAY_IOC_GET_INFO, &i), bad[n].error)
			TH_LOG("size %u", bad[n].size);
		EXPECT_EQ(i.size, bad[n].size);
	}
}

TEST_F(ioctl, info_beyond_the_callers_memory_is_a_fault)
{
	char *two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	struct relayfs_info *i = (void *)(two + PAGE - 64);
	uint64_t *time = (void *)(two + PAGE);

	ASSERT_NE(two, MAP_FAILED);
	ASSERT_EQ(munmap(two + PAGE, PAGE), 0);
	i->size = sizeof(*i);
	EXPECT_EQ(do_ioctl(self->fd, RELAY_IOC_GET_INFO, i), -EFAULT);
	EXPECT_EQ(do_ioctl(self->fd, RELAY_IOC_GET_INFO, time), -EFAULT);
	EXPECT_EQ(do_ioctl(self->fd, RELAY_IOC_FLUSH, time), -EFAULT);
	EXPECT_EQ(do_ioctl(self->fd, RELAY_IOC_CONSUME, time), -EFAULT);
	munmap(two, PAGE);
}

TEST_F(ioctl, all_before_a_position_is_consumed)
{
	struct relayfs_info i;
	uint64_t pos = 200;
	char b[SUBBUF];

	ASSERT_EQ(write_records(self->dev, self->id, 5, 100), 5);
	if (variant->whole) {
		EXPECT_EQ(do_ioctl(self->fd, RELAY_IOC_CONSUME, &pos), -EINVAL);
		return;
	}
	ASSERT_EQ(do_ioctl(self->fd, RELAY_IOC_CONSUME, &pos), 0);
	ASSERT_EQ(get_info(self->fd, &i), 0);
	EXPECT_EQ(i.read.bytes, 200);
	/* What was passed is passed. */
	pos = 100;
	ASSERT_EQ(do_ioctl(self->fd, RELAY_IOC_CONSUME, &pos), 0);
	EXPECT_EQ(read(self->fd, b, 100), 100);
	/* No more than there is. */
	pos = ~0ull;
	ASSERT_EQ(do_ioctl(self->fd, RELAY_IOC_CONSUME, &pos), 0);
	ASSERT_EQ(get_info(self->fd, &i), 0);
	EXPECT_EQ(i.read.bytes, 500);
	EXPECT_EQ(i.read.records, 5);
	ASSERT_EQ(write_records(self->dev, self->id, 1, 100), 1);
	EXPECT_EQ(read(self->fd, b, sizeof(b)), 100);
}

TEST_F(ioctl, consuming_makes_room)
{
	uint64_t pos = SUBBUF;

	if (variant->whole || variant->flags & RELAY_MODE_CONTINUOUS)
		SKIP(return, "it has room");
	ASSERT_EQ(write_records(self->dev, self->id, 5, SUBBUF), N);
	ASSERT_EQ(do_ioctl(self->fd, RELAY_IOC_CONSUME, &pos), 0);
	EXPECT_EQ(write_records(self->dev, self->id, 5, SUBBUF), 1);
}

TEST_F(ioctl, observers_do_not_consume_by_position)
{
	int observer = observer_open(variant->file, PLAIN);
	uint64_t pos = 1;

	ASSERT_GE(observer, 0);
	EXPECT_EQ(do_ioctl(observer, RELAY_IOC_CONSUME, &pos), variant->whole ? -EINVAL : -EPERM);
	close(observer);
}

TEST_F(ioctl, others_of_the_type_are_unknown)
{
	struct relayfs_info i = { .size = sizeof(i) };

	EXPECT_EQ(do_ioctl(self->fd, _IO(RELAY_IOC_MAGIC, 8), NULL), -ENOTTY);
	EXPECT_EQ(do_ioctl(self->fd, _IO(RELAY_IOC_MAGIC, 255), NULL), -ENOTTY);
	/* The right number with the wrong direction or size. */
	EXPECT_EQ(do_ioctl(self->fd, _IOR(RELAY_IOC_MAGIC, 6, i), &i), -ENOTTY);
	EXPECT_EQ(do_ioctl(self->fd, _IOR(RELAY_IOC_MAGIC, 4, uint32_t), &i), -ENOTTY);
}

TEST_HARNESS_MAIN
