// SPDX-License-Identifier: GPL-2.0
/* Opening and closing channels: what is refused, with which errno, and that nothing is left. */

#include "relaytest.h"
#include <pthread.h>

FIXTURE(open)
{
	int dev;
};

FIXTURE_SETUP(open)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
}

FIXTURE_TEARDOWN(open)
{
	close(self->dev);
}

TEST_F(open, makes_files_and_close_removes_them)
{
	int id = chan_open(self->dev, "alone", 0, 0, 0);
	char name[64];

	ASSERT_GE(id, 0);
	EXPECT_TRUE(file_exists("alone"));
	EXPECT_TRUE(file_exists("alone.d/info"));
	for (int cpu = 0; cpu < cpus(); cpu++) {
		snprintf(name, sizeof(name), "alone.d/cpu%d", cpu);
		EXPECT_TRUE(file_exists(name));
	}
	EXPECT_EQ(chan_close(self->dev, id), 0);
	EXPECT_FALSE(file_exists("alone"));
	EXPECT_FALSE(file_exists("alone.d"));
}

TEST_F(open, parent_directories_come_and_go)
{
	int a = chan_open(self->dev, "dir/sub/a", 0, 0, 0);
	int b = chan_open(self->dev, "dir/b", 0, 0, 0);

	ASSERT_GE(a, 0);
	ASSERT_GE(b, 0);
	EXPECT_TRUE(file_exists("dir/sub/a"));
	EXPECT_EQ(chan_close(self->dev, a), 0);
	EXPECT_FALSE(file_exists("dir/sub"));
	EXPECT_TRUE(file_exists("dir/b"));
	EXPECT_EQ(chan_close(self->dev, b), 0);
	EXPECT_FALSE(file_exists("dir"));
}

TEST_F(open, global_has_one_buffer)
{
	int id = chan_open(self->dev, "one", 0, 0, RELAY_USAGE_GLOBAL);

	ASSERT_GE(id, 0);
	EXPECT_TRUE(file_exists("one.d/cpu0"));
	EXPECT_FALSE(file_exists("one.d/cpu1"));
	EXPECT_EQ(chan_close(self->dev, id), 0);
}

TEST_F(open, null_attr_is_the_default)
{
	int id = chan_open_attr(self->dev, "default", (struct relaytest_open){ .attr_size = ~0u });

	ASSERT_GE(id, 0);
	EXPECT_EQ(chan_close(self->dev, id), 0);
}

TEST_F(open, second_open_of_a_path_is_eexist)
{
	int id = chan_open(self->dev, "twice", 0, 0, 0);

	ASSERT_GE(id, 0);
	EXPECT_EQ(chan_open(self->dev, "twice", 0, 0, 0), -EEXIST);
	EXPECT_TRUE(file_exists("twice"));
	EXPECT_TRUE(file_exists("twice.d/info"));
	EXPECT_EQ(chan_open(self->dev, "twice.d", 0, 0, 0), -EEXIST);
	EXPECT_FALSE(file_exists("twice.d.d"));
	EXPECT_EQ(chan_close(self->dev, id), 0);
	id = chan_open(self->dev, "twice", 0, 0, 0);
	EXPECT_GE(id, 0);
	EXPECT_EQ(chan_close(self->dev, id), 0);
}

TEST_F(open, a_file_or_a_channels_directory_is_no_parent)
{
	int id = chan_open(self->dev, "plain", 0, 0, 0);

	ASSERT_GE(id, 0);
	EXPECT_EQ(chan_open(self->dev, "plain/x", 0, 0, 0), -ENOTDIR);
	EXPECT_EQ(chan_open(self->dev, "plain.d/x", 0, 0, 0), -ENOTDIR);
	EXPECT_EQ(chan_close(self->dev, id), 0);
}

TEST_F(open, a_failure_leaves_no_directory)
{
	int id = chan_open(self->dev, "keep/x", 0, 0, 0);

	ASSERT_GE(id, 0);
	EXPECT_EQ(chan_open(self->dev, "keep/x/y/z", 0, 0, 0), -ENOTDIR);
	EXPECT_EQ(chan_open(self->dev, "fresh/a//b", 0, 0, 0), -EINVAL);
	EXPECT_FALSE(file_exists("fresh"));
	EXPECT_EQ(chan_close(self->dev, id), 0);
	EXPECT_FALSE(file_exists("keep"));
}

static bool over;
static int found, wrong;

/* Opens a file whenever there is one, and reads it to its end. */
static void *read_what_appears(void *arg)
{
	char byte;

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		int fd = open(arg, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		__atomic_add_fetch(&found, 1, __ATOMIC_RELAXED);
		if (read(fd, &byte, 1))
			__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
		close(fd);
	}
	return NULL;
}

/* The files of the CPUs are there for a moment before the name turns out to be taken. */
TEST_F(open, who_has_opened_a_file_of_a_failure_is_at_its_end)
{
	int id = chan_open(self->dev, "taken/by", 0, 0, 0);
	pthread_t threads[2];

	ASSERT_GE(id, 0);
	ASSERT_EQ(pthread_create(&threads[0], NULL, read_what_appears, MOUNT "/taken.d/cpu0"), 0);
	ASSERT_EQ(pthread_create(&threads[1], NULL, read_what_appears, MOUNT "/taken.d/cpu1"), 0);
	for (int i = 0; i < 500 && __atomic_load_n(&found, __ATOMIC_RELAXED) < 5; i++)
		ASSERT_EQ(chan_open(self->dev, "taken", 4096, 2, 0), -EEXIST);
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	TH_LOG("%d opened in time", found);
	EXPECT_EQ(wrong, 0);
	EXPECT_FALSE(file_exists("taken.d"));
	EXPECT_EQ(chan_close(self->dev, id), 0);
}

TEST_F(open, bad_paths)
{
	static const char *const bad[] = {
		"", "/", "/abs", "a/", "a//b", ".", "..", "a/../b", "./a"
	};
	char name[1200];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		EXPECT_EQ(chan_open(self->dev, bad[i], 0, 0, 0), -EINVAL)
			TH_LOG("path '%s'", bad[i]);
	}
	memset(name, 'x', sizeof(name));
	name[254] = 0;
	EXPECT_EQ(chan_open(self->dev, name, 0, 0, 0), -ENAMETOOLONG);
	name[254] = 'x';
	for (size_t i = 9; i < sizeof(name); i += 10)
		name[i] = '/';
	name[1024] = 0;
	EXPECT_EQ(chan_open(self->dev, name, 0, 0, 0), -ENAMETOOLONG);
}

TEST_F(open, the_longest_name_works)
{
	char name[256];
	int id;

	memset(name, 'n', sizeof(name));
	name[253] = 0;
	id = chan_open(self->dev, name, 0, 0, 0);
	ASSERT_GE(id, 0);
	EXPECT_EQ(chan_close(self->dev, id), 0);
}

TEST_F(open, bad_sizes)
{
	EXPECT_EQ(chan_open(self->dev, "bad", 4095, 2, 0), -EINVAL);
	EXPECT_EQ(chan_open(self->dev, "bad", 4097, 2, 0), -EINVAL);
	EXPECT_EQ(chan_open(self->dev, "bad", 2048, 2, 0), -EINVAL);
	EXPECT_EQ(chan_open(self->dev, "bad", 12288, 2, 0), -EINVAL);
	EXPECT_EQ(chan_open(self->dev, "bad", 4096, 1, 0), -EINVAL);
	EXPECT_EQ(chan_open(self->dev, "bad", 4096, 3, 0), -EINVAL);
	EXPECT_EQ(chan_open(self->dev, "bad", 1ull << 31, 2, 0), -E2BIG);
	EXPECT_EQ(chan_open(self->dev, "bad", 1ull << 30, 2, 0), -E2BIG);
	EXPECT_EQ(chan_open(self->dev, "bad", 1ull << 63, 2, 0), -E2BIG);
	EXPECT_EQ(chan_open(self->dev, "bad", 1ull << 30, 1u << 31, 0), -E2BIG);
	EXPECT_FALSE(file_exists("bad"));
	EXPECT_FALSE(file_exists("bad.d"));
}

TEST_F(open, bad_attributes)
{
	const struct relaytest_open bad[] = {
		{ .flags = 1u << 31 },
		{ .flags = RELAY_MODE_CONTINUOUS | RELAY_MODE_NO_OVERWRITE },
		{ .flags = RELAY_USAGE_SMP | RELAY_USAGE_GLOBAL },
		{ .flags = RELAY_DELIVERY_BULK | RELAY_DELIVERY_PACKET },
		{ .mode = 0755 },
		{ .mode = 01444 },
		{ .reserved = 1 },
		{ .attr_size = 8 },
		{ .attr_size = 44 },
		{ .attr_size = 52 },
		{ .attr_size = 4104 },
		{ .flush_interval_ms = 60001 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		EXPECT_EQ(chan_open_attr(self->dev, "bad", bad[i]), -EINVAL)
			TH_LOG("case %zu", i);
	}
	EXPECT_FALSE(file_exists("bad"));
}

TEST_F(open, clients_of_an_older_and_a_newer_header_work)
{
	const __u32 first = 48, newer = RELAYTEST_ATTR_SIZE + 8;
	int id;

	/* What the first version did not have is not looked at. */
	id = chan_open_attr(self->dev, "old",
			    (struct relaytest_open){ .attr_size = first, .start_reserve = ~0u });
	ASSERT_GE(id, 0);
	EXPECT_EQ(chan_close(self->dev, id), 0);
	id = chan_open_attr(self->dev, "new", (struct relaytest_open){ .attr_size = newer });
	ASSERT_GE(id, 0);
	EXPECT_EQ(chan_close(self->dev, id), 0);
	EXPECT_EQ(chan_open_attr(self->dev, "new",
				 (struct relaytest_open){ .attr_size = newer, .attr_more = 1 }),
		  -E2BIG);
	EXPECT_FALSE(file_exists("new"));
}

TEST_F(open, too_much_memory_is_enomem_and_leaves_nothing)
{
	long before = 0;

	/*
	 * 1 GiB per CPU: more memory than the machine has. The first time changes what the kernel
	 * keeps in its caches.
	 */
	for (int i = 0; i < 4; i++) {
		if (i == 1)
			before = meminfo("MemAvailable");
		int a = chan_open(self->dev, "huge", 1 << 29, 2, 0);

		ASSERT_EQ(a, -ENOMEM);
		EXPECT_FALSE(file_exists("huge"));
		EXPECT_FALSE(file_exists("huge.d"));
	}
	usleep(200 * 1000);
	EXPECT_GT(meminfo("MemAvailable"), before - 64 * 1024);
}

TEST_F(open, many_opens_and_closes_leave_no_memory_behind)
{
	long before, after;

	for (int i = 0; i < 10; i++)
		chan_close(self->dev, chan_open(self->dev, "again", 1 << 20, 4, 0));
	before = meminfo("MemAvailable");
	/* What is leaked adds up; what the kernel keeps on its free lists per CPU does not. */
	for (int i = 0; i < 100; i++) {
		int id = chan_open(self->dev, "again", 1 << 20, 4, 0);

		ASSERT_GE(id, 0);
		ASSERT_EQ(chan_close(self->dev, id), 0);
	}
	usleep(200 * 1000);
	after = meminfo("MemAvailable");
	EXPECT_GT(after, before - 64 * 1024) TH_LOG("%ld KiB lost", before - after);
}

TEST_F(open, modes_and_owners)
{
	struct relaytest_open o = { .mode = 0440, .uid = 12, .gid = 34 };
	int id = chan_open_attr(self->dev, "owned", o);
	struct stat st;

	ASSERT_GE(id, 0);
	ASSERT_EQ(stat(MOUNT "/owned", &st), 0);
	EXPECT_EQ(st.st_mode, (mode_t)(S_IFIFO | 0440));
	EXPECT_EQ(st.st_uid, 12u);
	EXPECT_EQ(st.st_gid, 34u);
	ASSERT_EQ(stat(MOUNT "/owned.d/cpu0", &st), 0);
	EXPECT_EQ(st.st_mode, (mode_t)(S_IFIFO | 0440));
	ASSERT_EQ(stat(MOUNT "/owned.d", &st), 0);
	EXPECT_EQ(st.st_mode, (mode_t)(S_IFDIR | 0550));
	EXPECT_EQ(st.st_gid, 34u);
	EXPECT_EQ(chan_close(self->dev, id), 0);

	id = chan_open(self->dev, "plain", 0, 0, 0);
	ASSERT_EQ(stat(MOUNT "/plain", &st), 0);
	EXPECT_EQ(st.st_mode, (mode_t)(S_IFIFO | 0400));
	EXPECT_EQ(chan_close(self->dev, id), 0);
}

TEST_F(open, users_change_nothing_in_the_tree)
{
	int id = chan_open(self->dev, "fixed", 0, 0, 0);

	ASSERT_GE(id, 0);
	EXPECT_EQ(mkdir(MOUNT "/mine", 0700), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(open(MOUNT "/mine", O_CREAT | O_RDWR, 0600), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(unlink(MOUNT "/fixed"), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(rmdir(MOUNT "/fixed.d"), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(rename(MOUNT "/fixed", MOUNT "/other"), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(link(MOUNT "/fixed", MOUNT "/other"), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(truncate(MOUNT "/fixed", 0), -1);
	EXPECT_EQ(open(MOUNT "/unknown", O_RDONLY), -1);
	EXPECT_EQ(errno, ENOENT);
	EXPECT_EQ(chan_close(self->dev, id), 0);
}

TEST_HARNESS_MAIN
