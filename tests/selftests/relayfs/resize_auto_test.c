// SPDX-License-Identifier: GPL-2.0
/*
 * Channels that are resized by themselves, or whose client is asked; what clients are told and
 * when.
 */

#include "resizedtest.h"

static struct resize_events told(int dev)
{
	struct resize_events t = {};

	ioctl(dev, RESIZE_TOLD, &t);
	return t;
}

/* Waits until @n events of @type were told; the last of them. */
static struct resize_event wait_told(int dev, uint32_t type, int n)
{
	for (;;) {
		struct resize_events t = told(dev);
		int found = 0;

		for (uint32_t i = 0; i < t.count && i < RESIZE_EVENTS; i++)
			if (t.events[i].type == type && ++found == n)
				return t.events[i];
		usleep(1000);
	}
}

/* Waits until a resize that is under way is done; what it was told has been. */
static void wait_done(int dev)
{
	while (resized_realloc(dev, 0, 0, RESIZE_PROCESS) == -EBUSY)
		usleep(1000);
}

/*
 * A sub-buffer holds 40 of the records. A buffer grows that is 3/4 full, or as soon as that can be
 * seen: when the next sub-buffer is entered.
 */
static void fill_until_it_grows(struct __test_metadata *_metadata, struct _test_data_resized *self,
				uint32_t n_subbufs)
{
	write_some(_metadata, self, 40 * (n_subbufs * 3 / 4));
	usleep(20000);
	ASSERT_EQ(resized_state(self->dev).n_subbufs, n_subbufs);
	write_some(_metadata, self, 1);
	while (resized_state(self->dev).n_subbufs != 2 * n_subbufs)
		usleep(1000);
}

TEST_F(resized, grows_by_itself_and_shrinks_when_idle)
{
	struct resize_state s;
	const struct resize_open how = {
		.n_subbufs = 4,
		.flags = variant->flags,
		.resize_min = 2,
		.resize_max = 16,
		.shrink_idle_ms = 2000,
	};

	begin(_metadata, self, how);
	fill_until_it_grows(_metadata, self, 4);
	read_rest(_metadata, self);
	fill_until_it_grows(_metadata, self, 8);
	/* That is the limit. */
	write_some(_metadata, self, 600);
	usleep(20000);
	s = resized_state(self->dev);
	EXPECT_EQ(s.n_subbufs, 16);
	EXPECT_EQ(s.generation, 2);
	EXPECT_EQ(s.overwritten, 0);
	EXPECT_BALANCE(s);
	read_rest(_metadata, self);
	while (resized_state(self->dev).n_subbufs != 2)
		usleep(10000);
	EXPECT_EQ(resized_state(self->dev).generation, 3);
	write_some(_metadata, self, 20);
	read_rest(_metadata, self);
	s = resized_state(self->dev);
	EXPECT_EQ(s.produced, self->next);
	EXPECT_EQ(s.read, self->next);
	EXPECT_BALANCE(s);
}

TEST_F(resized, grows_to_its_limit_though_nobody_reads)
{
	struct resize_state s;
	const struct resize_open how = {
		.n_subbufs = 2,
		.flags = variant->flags,
		.resize_max = 256,
	};

	begin(_metadata, self, how);
	for (uint32_t n = 2; n < how.resize_max; n *= 2) {
		fill_until_it_grows(_metadata, self, n);
		wait_done(self->dev);
	}
	/* What that got ready is of no use, and the limit is reached. */
	write_some(_metadata, self, 40 * 255);
	s = resized_state(self->dev);
	EXPECT_EQ(s.generation, 7);
	EXPECT_EQ(s.unread, self->next);
	EXPECT_EQ(s.overwritten, 0);
	EXPECT_BALANCE(s);
	read_rest(_metadata, self);
}

TEST_F(resized, leaves_what_is_ready_alone_where_it_cannot_grow)
{
	const struct resize_open how = {
		.n_subbufs = 4,
		.flags = variant->flags,
		.resize_max = 64,
	};

	if (!(variant->flags & RELAY_MODE_NO_OVERWRITE))
		SKIP(return, "in overwrite mode it always can");
	begin(_metadata, self, how);
	/* As much is kept as can be. */
	for (int i = 0; i < 17; i++) {
		write_some(_metadata, self, 1);
		ASSERT_EQ(resized_to(self->dev, 4096, 4), 0);
	}
	ASSERT_EQ(resized_realloc(self->dev, 4096, 8, RESIZE_PROCESS), 0);
	write_some(_metadata, self, 160);
	usleep(50000);
	EXPECT_EQ(resized_replace(self->dev, RESIZE_PROCESS), -EBUSY);
	EXPECT_EQ(resized_state(self->dev).generation, 17);
	read_rest(_metadata, self);
	EXPECT_EQ(resized_replace(self->dev, RESIZE_PROCESS), 0);
}

/* Whichever of the callbacks a client has, each resize comes to its end. */
TEST_F(resized, whatever_the_client_is_told)
{
	const bool global = variant->flags & RELAY_USAGE_GLOBAL;

	for (uint32_t has = 1; has <= RESIZE_HAS_ALL; has = has == 16 ? 31 : has * 2) {
		const struct resize_open how = {
			.n_subbufs = 4,
			.flags = variant->flags,
			.callbacks = has,
			.init_buf = global,
		};
		struct resize_open grows = how;

		TH_LOG("callbacks %u", has);
		begin(_metadata, self, how);
		write_some(_metadata, self, 50);
		if (global)
			ASSERT_EQ(ioctl(self->dev, RESIZE_DISCARD), 0);
		write_some(_metadata, self, 50);
		read_rest(_metadata, self);
		write_some(_metadata, self, 50);
		ASSERT_EQ(resized_to(self->dev, 4096, 2), 0);
		/* One that is full. */
		resized_write(self->dev, self->next, 200);
		EXPECT_EQ(resized_to(self->dev, 8192, 2), 0);
		EXPECT_EQ(resized_to(self->dev, 4096, 2), 0);
		read_now(self->fd, buf, 0, sizeof(buf), 4096);
		EXPECT_BALANCE(resized_state(self->dev));
		if (has != RESIZE_HAS_RESIZE && (has != RESIZE_HAS_FULL ||
						 variant->flags & RELAY_MODE_NO_OVERWRITE))
			EXPECT_GT(told(self->dev).others, 0);
		close(self->fd);

		grows.init_buf = 0;
		grows.resize_max = 16;
		grows.behaviour = RESIZE_FOLLOW;
		self->next = 0;
		self->read = 0;
		begin(_metadata, self, grows);
		resized_write(self->dev, 0, 200);
		while (resized_state(self->dev).n_subbufs != 8)
			usleep(1000);
		wait_done(self->dev);
		resized_write(self->dev, 200, 400);
		while (resized_state(self->dev).n_subbufs != 16)
			usleep(1000);
		read_now(self->fd, buf, 0, sizeof(buf), 4096);
		ASSERT_EQ(ioctl(self->dev, RESIZE_CLOSE), 0);
		close(self->fd);
		if (has == RESIZE_HAS_ALL)
			break;
	}
	self->fd = -1;
}

TEST_F(resized, does_not_shrink_what_is_not_read)
{
	const struct resize_open how = {
		.n_subbufs = 8,
		.flags = variant->flags,
		.resize_min = 2,
		/* Longer than it takes to write. */
		.shrink_idle_ms = 1000,
	};

	begin(_metadata, self, how);
	write_some(_metadata, self, 1);
	usleep(1500000);
	EXPECT_EQ(resized_state(self->dev).n_subbufs, 8);
	read_rest(_metadata, self);
	while (resized_state(self->dev).n_subbufs != 2)
		usleep(10000);
}

TEST_F(resized, asks_a_client_that_wants_to_be_asked)
{
	struct resize_events t;
	struct resize_event e;
	const struct resize_open how = {
		.n_subbufs = 4,
		.flags = variant->flags,
		.resize_max = 16,
		.callbacks = RESIZE_HAS_RESIZE,
	};

	begin(_metadata, self, how);
	write_some(_metadata, self, 130);
	e = wait_told(self->dev, RELAY_RESIZE_EXPAND, 1);
	EXPECT_EQ(e.subbuf_size, 4096);
	EXPECT_EQ(e.n_subbufs, 8);
	/* It does not want; that is not said again as long as it is true. */
	write_some(_metadata, self, 20);
	usleep(20000);
	t = told(self->dev);
	EXPECT_EQ(t.count, 1);
	EXPECT_EQ(t.events[0].wrong, 0);
	EXPECT_EQ(resized_state(self->dev).generation, 0);
	/* But when it has become true again. */
	read_rest(_metadata, self);
	write_some(_metadata, self, 130);
	wait_told(self->dev, RELAY_RESIZE_EXPAND, 2);
}

TEST_F(resized, a_client_follows_what_it_is_told)
{
	static const uint32_t order[] = { RELAY_RESIZE_REPLACED, RELAY_RESIZE_REPLACE,
					  RELAY_RESIZE_EXPAND, RELAY_RESIZE_REPLACED,
					  RELAY_RESIZE_REPLACE, RELAY_RESIZE_SHRINK };
	struct resize_events t;
	const struct resize_open how = {
		.n_subbufs = 4,
		.flags = variant->flags,
		.resize_min = 2,
		.resize_max = 8,
		.shrink_idle_ms = 1000,
		.callbacks = RESIZE_HAS_RESIZE,
		.behaviour = RESIZE_FOLLOW,
	};

	begin(_metadata, self, how);
	write_some(_metadata, self, 130);
	wait_told(self->dev, RELAY_RESIZE_REPLACED, 1);
	EXPECT_EQ(resized_state(self->dev).n_subbufs, 8);
	read_rest(_metadata, self);
	wait_told(self->dev, RELAY_RESIZE_SHRINK, 1);
	EXPECT_EQ(resized_state(self->dev).n_subbufs, 2);
	t = told(self->dev);
	ASSERT_EQ(t.count, 6);
	for (int i = 0; i < 6; i++) {
		/* Who calls one from another is told of the end inside it. */
		EXPECT_EQ(t.events[i].type, order[i]);
		EXPECT_EQ(t.events[i].wrong, 0);
		EXPECT_EQ(t.events[i].followed, 0);
		EXPECT_EQ(t.events[i].n_subbufs, i < 3 ? 8 : 2);
		EXPECT_EQ(t.events[i].subbuf_size, 4096);
	}
}

TEST_F(resized, the_end_of_what_a_worker_does_is_told)
{
	int64_t limit = parameter_get("max_bytes");
	struct resize_event e;
	const struct resize_open how = {
		.n_subbufs = 4,
		.flags = variant->flags,
		.callbacks = RESIZE_HAS_RESIZE,
	};

	begin(_metadata, self, how);
	EXPECT_EQ(resized_realloc(self->dev, 8192, 2, RESIZE_HARDIRQ), -EINPROGRESS);
	e = wait_told(self->dev, RELAY_RESIZE_REPLACE, 1);
	EXPECT_EQ(e.subbuf_size, 8192);
	EXPECT_EQ(e.n_subbufs, 2);
	EXPECT_EQ(e.wrong, 0);
	EXPECT_EQ(resized_replace(self->dev, RESIZE_ATOMIC), -EINPROGRESS);
	e = wait_told(self->dev, RELAY_RESIZE_REPLACED, 1);
	EXPECT_EQ(e.subbuf_size, 8192);
	EXPECT_EQ(e.n_subbufs, 2);
	EXPECT_EQ(resized_state(self->dev).generation, 1);
	ASSERT_EQ(parameter_set("max_bytes", parameter_get("used_bytes") + 4096), 0);
	EXPECT_EQ(resized_realloc(self->dev, 1 << 20, 8, RESIZE_HARDIRQ), -EINPROGRESS);
	e = wait_told(self->dev, RELAY_RESIZE_NONE, 1);
	EXPECT_EQ(e.subbuf_size, 8192);
	EXPECT_EQ(e.n_subbufs, 2);
	ASSERT_EQ(parameter_set("max_bytes", limit), 0);
	EXPECT_EQ(resized_replace(self->dev, RESIZE_PROCESS), -EAGAIN);
	EXPECT_EQ(told(self->dev).count, 3);
}

TEST_F(resized, nothing_is_told_after_the_end)
{
	for (int i = 0; i < 20; i++) {
		uint32_t count;

		const struct resize_open how = {
		.n_subbufs = 4,
		.flags = variant->flags,
		.resize_min = 2,
		.resize_max = 64,
		.shrink_idle_ms = 4,
		.callbacks = RESIZE_HAS_RESIZE,
		.behaviour = RESIZE_FOLLOW,
	};

	begin(_metadata, self, how);
		resized_write(self->dev, 0, 130);
		if (i % 2)
			resized_realloc(self->dev, 4096, 4, RESIZE_HARDIRQ);
		ASSERT_EQ(ioctl(self->dev, RESIZE_CLOSE), 0);
		count = told(self->dev).count;
		usleep(10000);
		EXPECT_EQ(told(self->dev).count, count);
		for (uint32_t j = 0; j < count; j++)
			EXPECT_EQ(told(self->dev).events[j].wrong, 0);
		close(self->fd);
	}
}

TEST_F(resized, limits_must_make_sense)
{
	static const struct { uint32_t min, max; int error; } wrong[] = {
		{ 8, 16, -EINVAL }, { 2, 2, -EINVAL }, { 3, 8, -EINVAL }, { 2, 12, -EINVAL },
		{ 1, 8, -EINVAL }, { 0, 1 << 20, -E2BIG },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		EXPECT_EQ(resized_open(self->dev, (struct resize_open){
				.subbuf_size = 4096, .n_subbufs = 4, .flags = variant->flags,
				.resize_min = wrong[i].min, .resize_max = wrong[i].max }),
			  wrong[i].error);
	EXPECT_FALSE(file_exists(NAME));
}

TEST_HARNESS_MAIN
