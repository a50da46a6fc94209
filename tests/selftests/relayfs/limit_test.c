// SPDX-License-Identifier: GPL-2.0
/* The limit on the memory of all buffers: counted, kept to, given back. */

#include <signal.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include "relaytest.h"

#define SUBBUF	65536
#define COUNT	8
/* The meta page, and the data. */
#define BUFFER	(PAGE + SUBBUF * COUNT)

FIXTURE(limit)
{
	int dev;
	int64_t limit, used;
};

FIXTURE_SETUP(limit)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	self->limit = parameter_get("max_bytes");
	self->used = parameter_get("used_bytes");
}

FIXTURE_TEARDOWN(limit)
{
	close(self->dev);
	EXPECT_EQ(parameter_set("max_bytes", self->limit), 0);
	EXPECT_EQ(parameter_get("max_bytes"), self->limit);
	EXPECT_EQ(parameter_get("used_bytes"), self->used);
}

static struct statfs blocks(void)
{
	struct statfs fs = {};

	statfs(MOUNT, &fs);
	return fs;
}

TEST_F(limit, is_half_of_the_memory)
{
	EXPECT_EQ(self->limit, meminfo("MemTotal") * 1024 / PAGE / 2 * PAGE);
}

TEST_F(limit, buffers_are_counted)
{
	struct statfs before = blocks(), after;
	int a = chan_open(self->dev, "a", SUBBUF, COUNT, 0), b;

	ASSERT_GE(a, 0);
	EXPECT_EQ(parameter_get("used_bytes"), self->used + cpus() * BUFFER);
	b = chan_open(self->dev, "b", SUBBUF, COUNT, RELAY_USAGE_GLOBAL);
	ASSERT_GE(b, 0);
	EXPECT_EQ(parameter_get("used_bytes"), self->used + (cpus() + 1) * BUFFER);
	after = blocks();
	EXPECT_EQ((int64_t)after.f_blocks, self->limit / PAGE);
	EXPECT_EQ(before.f_blocks, after.f_blocks);
	EXPECT_EQ(before.f_bfree - after.f_bfree, (uint64_t)(cpus() + 1) * BUFFER / PAGE);
	EXPECT_EQ(after.f_bfree, after.f_bavail);
	EXPECT_EQ(after.f_bsize, PAGE);
	EXPECT_EQ(chan_close(self->dev, a), 0);
	EXPECT_EQ(chan_close(self->dev, b), 0);
	EXPECT_EQ(parameter_get("used_bytes"), self->used);
}

TEST_F(limit, beyond_it_is_enomem_and_leaves_nothing)
{
	uint32_t usage[] = { RELAY_USAGE_SMP, RELAY_USAGE_GLOBAL };

	for (int i = 0; i < 2; i++) {
		int n = i ? 1 : cpus(), id;

		ASSERT_EQ(parameter_set("max_bytes", self->used + n * BUFFER - 1), 0);
		EXPECT_EQ(chan_open(self->dev, "dir/a", SUBBUF, COUNT, usage[i]), -ENOMEM);
		EXPECT_FALSE(file_exists("dir"));
		EXPECT_EQ(parameter_get("used_bytes"), self->used);
		ASSERT_EQ(parameter_set("max_bytes", self->used + n * BUFFER), 0);
		id = chan_open(self->dev, "dir/a", SUBBUF, COUNT, usage[i]);
		ASSERT_GE(id, 0);
		EXPECT_EQ(blocks().f_bfree, 0);
		EXPECT_EQ(chan_close(self->dev, id), 0);
	}
}

TEST_F(limit, a_failure_later_on_gives_back_all)
{
	int id = chan_open(self->dev, "a", SUBBUF, COUNT, 0);

	ASSERT_GE(id, 0);
	EXPECT_EQ(chan_open(self->dev, "a", SUBBUF, COUNT, 0), -EEXIST);
	EXPECT_EQ(parameter_get("used_bytes"), self->used + cpus() * BUFFER);
	EXPECT_EQ(chan_close(self->dev, id), 0);
}

TEST_F(limit, a_lower_one_takes_nothing_away)
{
	int id = chan_open(self->dev, "a", SUBBUF, COUNT, 0);

	ASSERT_GE(id, 0);
	ASSERT_EQ(parameter_set("max_bytes", 0), 0);
	EXPECT_EQ(chan_write(self->dev, id, "x", 1), 1);
	EXPECT_EQ(chan_open(self->dev, "b", 4096, 2, 0), -ENOMEM);
	EXPECT_EQ(blocks().f_bfree, 0);
	EXPECT_EQ((int64_t)blocks().f_blocks * PAGE, parameter_get("used_bytes"));
	EXPECT_EQ(chan_close(self->dev, id), 0);
}

TEST_F(limit, counts_as_long_as_somebody_uses_it)
{
	int id = chan_open(self->dev, "a", SUBBUF, COUNT, 0);
	int fd = file_open("a.d/cpu0", O_RDONLY);
	void *map = mmap(NULL, BUFFER, PROT_READ, MAP_SHARED, fd, 0);

	ASSERT_GE(id, 0);
	ASSERT_NE(map, MAP_FAILED);
	EXPECT_EQ(chan_close(self->dev, id), 0);
	EXPECT_GT(parameter_get("used_bytes"), self->used);
	close(fd);
	EXPECT_GT(parameter_get("used_bytes"), self->used);
	EXPECT_EQ(munmap(map, BUFFER), 0);
}

TEST_F(limit, values)
{
	static const char *const bad[] = { "", "x", "-1", "1x", "M", "1 M" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		EXPECT_EQ(parameter_set_text("max_bytes", bad[i]), -EINVAL)
			TH_LOG("value '%s'", bad[i]);
	}
	EXPECT_EQ(parameter_get("max_bytes"), self->limit);
	EXPECT_EQ(parameter_set_text("max_bytes", "3M\n"), 0);
	EXPECT_EQ(parameter_get("max_bytes"), 3 << 20);
	EXPECT_EQ(parameter_set_text("max_bytes", "8191"), 0);
	EXPECT_EQ(parameter_get("max_bytes"), 4096);
	EXPECT_EQ(parameter_set_text("used_bytes", "1"), -EACCES);
}

TEST_F(limit, the_largest)
{
	int id;

	ASSERT_EQ(parameter_set_text("max_bytes", "18446744073709551615"), 0);
	/* As strtoll() has it. */
	EXPECT_EQ(parameter_get("max_bytes"), INT64_MAX);
	EXPECT_EQ(chan_open(self->dev, "a", 1 << 29, 4, 0), -E2BIG);
	id = chan_open(self->dev, "a", SUBBUF, COUNT, 0);
	ASSERT_GE(id, 0);
	EXPECT_EQ(parameter_get("used_bytes"), self->used + cpus() * BUFFER);
	EXPECT_EQ(chan_close(self->dev, id), 0);
}

/* A CPU that comes up and may not have a buffer. */
TEST_F(limit, a_cpu_without_a_buffer)
{
	struct relaytest_pattern p = { .context = RELAYTEST_HARDIRQ, .count = 10, .len = 100 };
	int cpu = cpus() - 1, fd;
	char row[16], file[32];
	struct relayfs_meta *meta;

	if (cpu < 1 || cpu_set_online(cpu, false))
		SKIP(return, "one CPU");
	snprintf(row, sizeof(row), "cpu%d", cpu);
	snprintf(file, sizeof(file), "a.d/cpu%d", cpu);
	p.id = chan_open(self->dev, "a", SUBBUF, COUNT, 0);
	ASSERT_GE((int)p.id, 0);
	fd = file_open("a", O_RDONLY | O_NONBLOCK);
	ASSERT_EQ(parameter_set("max_bytes", parameter_get("used_bytes")), 0);
	ASSERT_EQ(cpu_set_online(cpu, true), 0);

	EXPECT_FALSE(file_exists(file));
	EXPECT_EQ(parameter_get("used_bytes"), self->used + cpu * BUFFER);
	p.cpu = cpu;
	ASSERT_EQ(chan_pattern(self->dev, &p), 0);
	EXPECT_EQ(p.written, 0);
	EXPECT_EQ(p.failed, 10);
	EXPECT_EQ(p.error, ENOBUFS);
	/* In place, too. */
	p.discard_every = 2;
	ASSERT_EQ(chan_pattern(self->dev, &p), 0);
	EXPECT_EQ(p.failed, 10);
	EXPECT_EQ(info("a", row, "no_buffer", false), 20);
	EXPECT_EQ(info("a", row, "no_buffer", true), 2000);
	EXPECT_EQ(info("a", "total", "no_buffer", false), 20);
	/* The others go on. */
	p.discard_every = 0;
	p.cpu = 0;
	ASSERT_EQ(chan_pattern(self->dev, &p), 0);
	EXPECT_EQ(p.written, 10);
	EXPECT_EQ(info("a", "cpu0", "no_buffer", false), 0);
	EXPECT_EQ(chan_flush(self->dev, p.id), 0);

	/* The next time there is memory. */
	ASSERT_EQ(parameter_set("max_bytes", self->limit), 0);
	ASSERT_EQ(cpu_set_online(cpu, false), 0);
	ASSERT_EQ(cpu_set_online(cpu, true), 0);
	EXPECT_TRUE(file_exists(file));
	p.cpu = cpu;
	ASSERT_EQ(chan_pattern(self->dev, &p), 0);
	EXPECT_EQ(p.written, 10);
	EXPECT_EQ(info("a", row, "produced", false), 10);
	EXPECT_EQ(info("a", row, "no_buffer", false), 20);
	close(fd);
	fd = file_open(file, O_RDONLY);
	meta = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(meta, MAP_FAILED);
	EXPECT_EQ(meta->lost[RELAYFS_LOST_NO_BUFFER].records, 20);
	EXPECT_EQ(meta->lost[RELAYFS_LOST_NO_BUFFER].bytes, 2000);
	munmap(meta, PAGE);
	close(fd);
	EXPECT_EQ(chan_close(self->dev, p.id), 0);
}

/* A sub-buffer of which two take at most a quarter of the memory there is. */
static uint64_t large_subbuf(void)
{
	uint64_t max = 1 << 29;

	while (max * 8 > (uint64_t)meminfo("MemAvailable") * 1024)
		max /= 2;
	return max;
}

TEST_F(limit, allocating_can_be_killed)
{
	uint64_t size = large_subbuf();
	int64_t error = 0;

	for (int i = 0; i < 50 && error != -EINTR; i++) {
		pid_t child = fork();
		int status;

		ASSERT_GE(child, 0);
		if (!child) {
			int dev = test_device();

			for (;;)
				chan_close(dev, chan_open(dev, "large", size, 2,
							  RELAY_USAGE_GLOBAL));
		}
		while (parameter_get("used_bytes") == self->used)
			sched_yield();
		kill(child, SIGKILL);
		ASSERT_EQ(waitpid(child, &status, 0), child);
		EXPECT_EQ(parameter_get("used_bytes"), self->used);
		EXPECT_FALSE(file_exists("large"));
		error = module_parameter("relayfs_test", "last_open");
	}
	EXPECT_EQ(error, -EINTR);
}

TEST_HARNESS_MAIN
