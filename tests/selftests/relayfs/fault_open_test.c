// SPDX-License-Identifier: GPL-2.0
/*
 * Each single allocation of relay_open() fails in turn, and the failure is clean: the right errno,
 * nothing in the tree, all memory given back, and the same works at once. Two errors of the
 * kernel's old relay are what this is about: CVE-2019-19462, where relay_open() went on with a
 * pointer it had not got memory for, and a failure path that took away the buffer of another CPU.
 */

#include "fault.h"

struct opening {
	int dev, id, bystander;
	int64_t used;		/* bytes of all buffers without it */
	const char *path, *parent;
	struct relaytest_open attr;
};

static int open_channel(void *arg)
{
	struct opening *o = arg;

	o->id = chan_open_attr(o->dev, o->path, o->attr);
	errno = o->id < 0 ? -o->id : 0;
	return o->id < 0 ? -1 : 0;
}

/* Whether what is written to the channel can be read; of events, none. */
static bool works(const struct opening *o)
{
	bool schema = o->attr.with & RELAYTEST_SCHEMA;
	int fd = file_open(o->path, O_RDONLY | O_NONBLOCK);
	long expected = schema ? -EINVAL : 1;
	char bytes[256];
	bool right = fd >= 0 && chan_write(o->dev, o->id, "x", 1) == expected &&
		     (read(fd, bytes, sizeof(bytes)) > 0) == !schema;

	close(fd);
	return right;
}

/* Nothing is left of what failed, the same works now, and all CPUs of another channel still do. */
static int check_channel(void *arg, bool failed)
{
	struct opening *o = arg;
	char dir[64];

	snprintf(dir, sizeof(dir), "%s.d", o->path);
	if (failed && (file_exists(o->path) || file_exists(dir) ||
		       (o->parent && file_exists(o->parent)) ||
		       parameter_get("used_bytes") != o->used))
		return -1;
	if (failed && open_channel(o))
		return -1;
	if (!file_exists(o->path) || !works(o) || chan_close(o->dev, o->id) ||
	    parameter_get("used_bytes") != o->used)
		return -1;
	for (int cpu = 0; cpu < cpus(); cpu++) {
		struct relaytest_pattern p = { .id = o->bystander, .cpu = cpu, .count = 1,
					       .len = 16 };

		if (chan_pattern(o->dev, &p) || p.written != 1)
			return -1;
	}
	return 0;
}

FIXTURE(fault_open)
{
	struct opening o;
};

FIXTURE_VARIANT(fault_open)
{
	const char *path, *parent;
	struct relaytest_open attr;
};

FIXTURE_VARIANT_ADD(fault_open, per_cpu)
{
	.path = "faulty",
	.attr = { .subbuf_size = 4096, .n_subbufs = 4 },
};

FIXTURE_VARIANT_ADD(fault_open, global)
{
	.path = "faulty",
	.attr = { .subbuf_size = 16384, .n_subbufs = 8, .flags = RELAY_USAGE_GLOBAL },
};

FIXTURE_VARIANT_ADD(fault_open, global_locking)
{
	.path = "faulty",
	.attr = { .subbuf_size = 4096, .n_subbufs = 4,
		  .flags = RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING },
};

FIXTURE_VARIANT_ADD(fault_open, records_of_a_schema)
{
	.path = "faulty",
	.attr = { .subbuf_size = 4096, .n_subbufs = 2, .flags = RELAY_FORMAT_RECORDS,
		  .with = RELAYTEST_SCHEMA },
};

FIXTURE_VARIANT_ADD(fault_open, duplex)
{
	.path = "faulty",
	.attr = { .subbuf_size = 4096, .n_subbufs = 2, .flags = RELAY_DUPLEX, .mode = 0600 },
};

FIXTURE_VARIANT_ADD(fault_open, all_callbacks)
{
	.path = "faulty",
	.attr = { .subbuf_size = 4096, .n_subbufs = 2, .with = RELAYTEST_CALLBACKS,
		  .mode = 0600, .start_reserve = 16, .end_reserve = 16,
		  .channel_start_reserve = 32 },
};

FIXTURE_VARIANT_ADD(fault_open, limits_of_size)
{
	.path = "faulty",
	.attr = { .subbuf_size = 4096, .n_subbufs = 4, .resize_min = 2, .resize_max = 8 },
};

FIXTURE_VARIANT_ADD(fault_open, in_new_directories)
{
	.path = "faulty/and/deep", .parent = "faulty",
	.attr = { .subbuf_size = 4096, .n_subbufs = 2, .flush_interval_ms = 1000 },
};

FIXTURE_SETUP(fault_open)
{
	struct opening *o = &self->o;

	if (!fault_injection_available())
		SKIP(return, "the kernel has no fault injection");
	ASSERT_EQ(fault_set_up(), 0);
	ASSERT_EQ(fault_memory_only(), 0);
	o->dev = test_device();
	ASSERT_GE(o->dev, 0);
	o->path = variant->path;
	o->parent = variant->parent;
	o->attr = variant->attr;
	o->bystander = chan_open(o->dev, "bystander", 4096, 4, RELAY_MODE_CONTINUOUS);
	ASSERT_GE(o->bystander, 0);
	o->used = parameter_get("used_bytes");
}

FIXTURE_TEARDOWN(fault_open)
{
	close(self->o.dev);
}

TEST_F(fault_open, each_allocation)
{
	int files = variant->attr.flags & RELAY_USAGE_GLOBAL ? 1 : cpus();
	long pages = files * variant->attr.subbuf_size * variant->attr.n_subbufs / PAGE;
	struct sweep s = sweep(open_channel, &self->o, check_channel);

	EXPECT_EQ(s.wrong, 0);
	/* Each page of the buffers, and what goes with them. */
	EXPECT_GT(s.failed, pages / fault_stride());
}

/*
 * With large buffers, so that what is lost stands out of what caches keep: failures all along the
 * way, and at each of the last places, when all is there but the files.
 */
TEST(memory_is_given_back)
{
	struct opening o = {
		.dev = test_device(), .path = "faulty",
		.attr = { .subbuf_size = 1 << 16, .n_subbufs = 64 / cpus() },
	};
	long kb = (long)cpus() * o.attr.n_subbufs << 6, before, at_stake = 0;
	int fd, places, failed = 0;

	if (!fault_injection_available())
		SKIP(return, "the kernel has no fault injection");
	ASSERT_EQ(fault_set_up(), 0);
	ASSERT_EQ(fault_memory_only(), 0);
	ASSERT_GE(o.dev, 0);
	fd = fault_arm(MOST_FAULTS * 10);
	ASSERT_EQ(open_channel(&o), 0);
	places = MOST_FAULTS * 10 - fault_left(fd);
	fault_disarm(fd);
	ASSERT_EQ(chan_close(o.dev, o.id), 0);
	ASSERT_GT(places, kb / 4);
	before = meminfo("MemAvailable");
	for (int i = 1; i < 8 + 40; i++) {
		int nth = i < 8 ? places / 8 * i : places - (i - 8);

		fd = fault_arm(nth);
		if (open_channel(&o)) {
			EXPECT_EQ(errno, ENOMEM);
			failed++;
			at_stake += kb * nth / places;
		} else {
			EXPECT_EQ(chan_close(o.dev, o.id), 0);
		}
		fault_disarm(fd);
	}
	EXPECT_GT(failed, 10);
	/* Inodes, and what they keep, go after a grace period. */
	for (int i = 0; i < 100 && before - meminfo("MemAvailable") >= at_stake / 4; i++)
		usleep(100000);
	EXPECT_LT(before - meminfo("MemAvailable"), at_stake / 4);
}

TEST_HARNESS_MAIN
