// SPDX-License-Identifier: GPL-2.0
/*
 * A user's memory may take any time to take what is read, so a reader can be in a read for ever.
 * Others who read the same wait for it, and who resets it; but nobody else, and not for those.
 */

#include "resizetest.h"
#include "stuck.h"

#define RECORDS		3

FIXTURE(stuck)
{
	int dev, id, other;
	struct stuck s;
};

FIXTURE_VARIANT(stuck)
{
	const char *file;
	bool observes;
};

FIXTURE_VARIANT_ADD(stuck, buffer) { .file = "stuck.d/cpu0" };
FIXTURE_VARIANT_ADD(stuck, whole) { .file = "stuck" };
FIXTURE_VARIANT_ADD(stuck, observer) { .file = "stuck.d/cpu0", .observes = true };

FIXTURE_SETUP(stuck)
{
	struct relaytest_pattern p = { .cpu = 0, .count = RECORDS, .len = 100 };
	int fd, ret;

	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	self->id = chan_open(self->dev, "stuck", 4096, 4, 0);
	ASSERT_GE(self->id, 0);
	p.id = self->id;
	self->other = file_open("stuck", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(self->other, 0);
	fd = variant->observes ? observer_open(variant->file, O_RDONLY) :
		file_open(variant->file, O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(chan_pattern(self->dev, &p), 0);
	ret = stuck_begin(&self->s, fd);
	if (ret == -ENOSYS)
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(ret, 0);
}

FIXTURE_TEARDOWN(stuck)
{
	close(self->s.fd);
	close(self->other);
	close(self->dev);
}

/* Something that waits for the reader, in a thread. */
struct errand {
	int fd;
	unsigned long cmd;
	pid_t tid;
	int ret;
	pthread_t thread;
};

static void *run(void *arg)
{
	struct errand *e = arg;

	__atomic_store_n(&e->tid, gettid(), __ATOMIC_RELEASE);
	e->ret = ioctl(e->fd, e->cmd) ? -errno : 0;
	return NULL;
}

/* Whether it waits now. */
static bool begin(struct errand *e, int fd, unsigned long cmd)
{
	*e = (struct errand){ .fd = fd, .cmd = cmd };
	if (pthread_create(&e->thread, NULL, run, e))
		return false;
	while (!__atomic_load_n(&e->tid, __ATOMIC_ACQUIRE))
		sched_yield();
	return await_sleep(e->tid, 'D');
}

static int end(struct errand *e)
{
	pthread_join(e->thread, NULL);
	return e->ret;
}

/* What does not wait for a reader, up to the channel's end; @_metadata, @self: the test's. */
#define EXPECT_NOBODY_WAITS() do { \
		struct relayfs_info about = { .size = sizeof(about) }; \
		uint64_t at; \
		EXPECT_EQ(ioctl(self->other, RELAY_IOC_FLUSH, &at), 0); \
		EXPECT_EQ(chan_flush(self->dev, self->id), 0); \
		EXPECT_EQ(ioctl(self->other, RELAY_IOC_GET_INFO, &about), 0); \
		EXPECT_EQ(about.produced.records, RECORDS); \
		EXPECT_EQ(chan_close(self->dev, self->id), 0); \
		EXPECT_FALSE(file_exists("stuck")); \
	} while (0)

TEST_F(stuck, a_flush_and_the_end_do_not_wait_for_it)
{
	char b[PAGE];

	EXPECT_NOBODY_WAITS();
	EXPECT_EQ(stuck_end(&self->s), RECORDS * 100);
	EXPECT_EQ(read(self->s.fd, b, PAGE), 0);
}

TEST_F(stuck, nor_for_a_reset_that_does)
{
	struct errand reset;
	char b[PAGE];

	if (variant->observes) {
		/* Nobody waits for an observer. */
		EXPECT_EQ(ioctl(self->other, RELAY_IOC_RESET), 0);
		EXPECT_NOBODY_WAITS();
		EXPECT_EQ(stuck_end(&self->s), RECORDS * 100);
		return;
	}
	ASSERT_TRUE(begin(&reset, self->other, RELAY_IOC_RESET));
	EXPECT_NOBODY_WAITS();
	EXPECT_EQ(stuck_end(&self->s), RECORDS * 100);
	EXPECT_EQ(end(&reset), 0);
	EXPECT_EQ(read(self->s.fd, b, PAGE), 0);
}

FIXTURE(resized)
{
	int dev, other, fd;
	struct stuck s;
};

FIXTURE_SETUP(resized)
{
	self->dev = resize_device();
	ASSERT_GE(self->dev, 0);
}

FIXTURE_TEARDOWN(resized)
{
	close(self->fd);
	close(self->other);
	close(self->dev);
}

static int resized_begin(struct __test_metadata *_metadata, struct _test_data_resized *self,
			 struct resize_open o)
{
	o.subbuf_size = 4096;
	o.n_subbufs = 4;
	o.flags = RELAY_USAGE_GLOBAL | RELAY_MODE_NO_OVERWRITE;
	ASSERT_EQ(resized_open(self->dev, o), 0);
	/* Of the buffer's file a read goes on as long as there is something. */
	self->fd = o.init_buf ? observer_open(NAME ".d/cpu0", O_RDONLY) :
		file_open(NAME ".d/cpu0", O_RDONLY);
	self->other = file_open(NAME, O_RDONLY | O_NONBLOCK);
	ASSERT_GE(self->fd, 0);
	ASSERT_GE(self->other, 0);
	ASSERT_EQ(resized_write(self->dev, 0, RECORDS), RECORDS);
	return stuck_begin(&self->s, self->fd);
}

TEST_F(resized, a_resize_does_not_wait_for_it_nor_for_a_reset_that_does)
{
	int ret = resized_begin(_metadata, self, (struct resize_open){});
	struct errand reset;

	if (ret == -ENOSYS)
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(ret, 0);
	ASSERT_TRUE(begin(&reset, self->other, RELAY_IOC_RESET));
	EXPECT_EQ(resized_to(self->dev, 4096, 8), 0);
	EXPECT_EQ(resized_write(self->dev, RECORDS, RECORDS), RECORDS);
	/* It goes on with what was written since. */
	EXPECT_EQ(stuck_end(&self->s), 2 * RECORDS * RECORD);
	EXPECT_EQ(end(&reset), 0);
}

/* The client cannot have it back as long as somebody reads it. */
TEST_F(resized, who_waits_for_the_clients_memory_holds_up_nobody)
{
	int ret = resized_begin(_metadata, self, (struct resize_open){ .init_buf = 1 });
	struct errand discard;
	uint64_t at;

	if (ret == -ENOSYS)
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(ret, 0);
	ASSERT_TRUE(begin(&discard, self->dev, RESIZE_DISCARD));
	EXPECT_EQ(ioctl(self->other, RELAY_IOC_FLUSH, &at), 0);
	EXPECT_EQ(stuck_end(&self->s), RECORDS * RECORD);
	EXPECT_EQ(end(&discard), 0);
}

TEST_HARNESS_MAIN
