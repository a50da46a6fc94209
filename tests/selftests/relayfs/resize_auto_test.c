// SPDX-License-Identifier: GPL-2.0
/*
 * Channels that are resized by themselves, or whose client is asked; what clients are told and
 * when; and channels that begin with memory of the client's and leave it.
 */

#include <pthread.h>
#include <sys/wait.h>

#include "fault.h"
#include "resizetest.h"

static unsigned char buf[4 << 20];

FIXTURE(auto)
{
	int dev, fd;
	uint32_t next, read;
};

FIXTURE_VARIANT(auto)
{
	uint32_t flags;
};

#define VARIANT(name, f) FIXTURE_VARIANT_ADD(auto, name) { .flags = f }
VARIANT(overwrite, RELAY_MODE_CONTINUOUS);
VARIANT(no_overwrite, RELAY_MODE_NO_OVERWRITE);
VARIANT(global_no_overwrite, RELAY_MODE_NO_OVERWRITE | RELAY_USAGE_GLOBAL);
VARIANT(locking_global_overwrite,
	RELAY_MODE_CONTINUOUS | RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING);

FIXTURE_SETUP(auto)
{
	self->dev = resize_device();
	ASSERT_GE(self->dev, 0);
}

FIXTURE_TEARDOWN(auto)
{
	close(self->fd);
	close(self->dev);
}

static void begin(struct __test_metadata *_metadata, struct _test_data_auto *self,
		  struct resize_open o)
{
	o.subbuf_size = 4096;
	ASSERT_EQ(resized_open(self->dev, o), 0);
	self->fd = file_open(NAME ".d/cpu0", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(self->fd, 0);
}

static void write_some(struct __test_metadata *_metadata, struct _test_data_auto *self, uint32_t n)
{
	ASSERT_EQ(resized_write(self->dev, self->next, n), n);
	self->next += n;
}

/* All that was written is there, in order. */
static void read_rest(struct __test_metadata *_metadata, struct _test_data_auto *self)
{
	size_t n = 0;

	/* For a moment after a resize what is new cannot be read yet. */
	do {
		n = read_now(self->fd, buf, n, sizeof(buf), 4096);
	} while (n / RECORD < self->next - self->read && resized_state(self->dev).unread);
	EXPECT_TRUE(are_records(buf, n, self->read, self->next - self->read));
	self->read = self->next;
}

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
static void fill_until_it_grows(struct __test_metadata *_metadata, struct _test_data_auto *self,
				uint32_t n_subbufs)
{
	write_some(_metadata, self, 40 * (n_subbufs * 3 / 4));
	usleep(20000);
	ASSERT_EQ(resized_state(self->dev).n_subbufs, n_subbufs);
	write_some(_metadata, self, 1);
	while (resized_state(self->dev).n_subbufs != 2 * n_subbufs)
		usleep(1000);
}

TEST_F(auto, grows_by_itself_and_shrinks_when_idle)
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

TEST_F(auto, grows_to_its_limit_though_nobody_reads)
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

TEST_F(auto, leaves_what_is_ready_alone_where_it_cannot_grow)
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
TEST_F(auto, whatever_the_client_is_told)
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

TEST_F(auto, does_not_shrink_what_is_not_read)
{
	const struct resize_open how = {
		.n_subbufs = 8,
		.flags = variant->flags,
		.resize_min = 2,
		.shrink_idle_ms = 40,
	};

	begin(_metadata, self, how);
	write_some(_metadata, self, 1);
	usleep(300000);
	EXPECT_EQ(resized_state(self->dev).n_subbufs, 8);
	read_rest(_metadata, self);
	while (resized_state(self->dev).n_subbufs != 2)
		usleep(10000);
}

TEST_F(auto, asks_a_client_that_wants_to_be_asked)
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

TEST_F(auto, a_client_follows_what_it_is_told)
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

TEST_F(auto, the_end_of_what_a_worker_does_is_told)
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

TEST_F(auto, nothing_is_told_after_the_end)
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

TEST_F(auto, limits_must_make_sense)
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

TEST_F(auto, begins_with_memory_of_the_client)
{
	struct resize_open o = { .subbuf_size = 4096, .n_subbufs = 4, .flags = variant->flags,
				 .init_buf = 1 };
	int inside, fd;
	size_t n;

	if (!(variant->flags & RELAY_USAGE_GLOBAL)) {
		EXPECT_EQ(resized_open(self->dev, o), -EINVAL);
		return;
	}
	o.init_buf_size = 8192;
	EXPECT_EQ(resized_open(self->dev, o), -EINVAL);
	o.init_buf_size = 0;
	o.init_buf_skew = 32;
	EXPECT_EQ(resized_open(self->dev, o), -EINVAL);
	o.init_buf_skew = 64;
	begin(_metadata, self, o);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(resized_realloc(self->dev, 0, 0, RESIZE_PROCESS), -EPERM);
	EXPECT_EQ(resized_replace(self->dev, RESIZE_PROCESS), -EPERM);
	/* More than it holds, in overwrite mode. */
	inside = observer_open(NAME ".d/cpu0", O_RDONLY | O_NONBLOCK);
	write_some(_metadata, self, 60);
	ASSERT_EQ(read(inside, buf, 150), 150);
	ASSERT_EQ(read(self->fd, buf, 250), 250);
	write_some(_metadata, self, 60);
	/* What was its memory is spoiled at once. */
	ASSERT_EQ(ioctl(self->dev, RESIZE_DISCARD), 0);
	EXPECT_EQ(ioctl(self->dev, RESIZE_DISCARD), -1);
	EXPECT_EQ(errno, EINVAL);
	write_some(_metadata, self, 30);
	n = read_now(self->fd, buf, 250, sizeof(buf), 700);
	EXPECT_TRUE(are_records(buf, n, 0, 150));
	EXPECT_EQ(resized_state(self->dev).read, 150);
	EXPECT_BALANCE(resized_state(self->dev));
	/* Who had begun a record of what is gone by now finishes it. */
	n = read_now(inside, buf, 150, sizeof(buf), 4096);
	EXPECT_TRUE(are_records(buf + 2 * RECORD, 38 * RECORD, 2, 38));
	EXPECT_TRUE(are_records(buf + n - 30 * RECORD, 30 * RECORD, 120, 30));
	close(inside);
	/* From now on it is as any other. */
	self->read = self->next;
	EXPECT_EQ(resized_to(self->dev, 8192, 4), 0);
	write_some(_metadata, self, 10);
	read_rest(_metadata, self);
	fd = file_open(NAME ".d/cpu0", O_RDONLY);
	EXPECT_NE(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
	close(fd);
}

/* It may neither grow nor shrink before it has left that; then it does. */
TEST_F(auto, stays_in_memory_of_the_client_until_it_is_told)
{
	struct resize_open o = { .n_subbufs = 4, .flags = variant->flags, .init_buf = 1,
				 .resize_min = 2, .resize_max = 16, .shrink_idle_ms = 4 };

	if (!(variant->flags & RELAY_USAGE_GLOBAL))
		return;
	for (int idle = 0; idle < 2; idle++) {
		self->next = 0;
		self->read = 0;
		o.shrink_idle_ms = idle ? 4 : 60000;
		begin(_metadata, self, o);
		if (!idle)
			write_some(_metadata, self, 160);
		usleep(50000);
		EXPECT_EQ(resized_state(self->dev).generation, 0);
		EXPECT_EQ(ioctl(self->dev, RESIZE_DISCARD), 0);
		EXPECT_GE(resized_state(self->dev).generation, 1);
		if (!idle)
			write_some(_metadata, self, 130);
		while (resized_state(self->dev).n_subbufs != (idle ? 2 : 8))
			usleep(1000);
		read_rest(_metadata, self);
		if (!idle)
			close(self->fd);
	}
}

/* Who has a file open reads on when the channel is closed, and its client gone with its memory. */
TEST_F(auto, memory_of_the_client_may_go_with_it)
{
	struct resize_open o = { .n_subbufs = 4, .flags = variant->flags, .init_buf = 1 };
	int inside, behind;
	size_t n;

	if (!(variant->flags & RELAY_USAGE_GLOBAL))
		return;
	begin(_metadata, self, o);
	inside = observer_open(NAME ".d/cpu0", O_RDONLY | O_NONBLOCK);
	behind = observer_open(NAME, O_RDONLY | O_NONBLOCK);
	write_some(_metadata, self, 60);
	ASSERT_EQ(read(inside, buf, 150), 150);
	ASSERT_EQ(read(self->fd, buf, 250), 250);
	write_some(_metadata, self, 30);
	ASSERT_EQ(close(self->dev), 0);
	ASSERT_EQ(syscall(SYS_delete_module, "relayfs_resize", 0), 0);
	n = read_now(self->fd, buf, 250, sizeof(buf), 333);
	EXPECT_TRUE(are_records(buf, n, 0, 90));
	EXPECT_EQ(read(self->fd, buf, 1), 0);
	n = read_now(inside, buf, 150, sizeof(buf), 4096);
	/* What the consumer has left behind is gone, but for what was begun. */
	EXPECT_TRUE(are_records(buf + 2 * RECORD, n - 2 * RECORD, 2, n / RECORD - 2));
	EXPECT_EQ(read(inside, buf, 1), 0);
	read_now(behind, buf, 0, sizeof(buf), 4096);
	EXPECT_EQ(read(behind, buf, 1), 0);
	close(inside);
	close(behind);
	self->dev = resize_device();
	ASSERT_GE(self->dev, 0);
}

/* Where there is no memory to take its place it is thrown away, and counted. */
TEST_F(auto, what_cannot_leave_it_is_lost)
{
	struct resize_open o = { .n_subbufs = 4, .flags = variant->flags, .init_buf = 1 };
	int64_t limit = parameter_get("max_bytes");
	struct relayfs_lost lost;
	int inside, last;

	if (!(variant->flags & RELAY_USAGE_GLOBAL))
		return;
	begin(_metadata, self, o);
	inside = observer_open(NAME ".d/cpu0", O_RDONLY | O_NONBLOCK);
	last = observer_open(NAME ".d/cpu0", O_RDONLY | O_NONBLOCK);
	write_some(_metadata, self, 20);
	read_rest(_metadata, self);
	write_some(_metadata, self, 70);
	ASSERT_EQ(read(inside, buf, 150), 150);
	ASSERT_EQ(parameter_set("max_bytes", parameter_get("used_bytes")), 0);
	ASSERT_EQ(close(self->dev), 0);
	ASSERT_EQ(parameter_set("max_bytes", limit), 0);
	ASSERT_EQ(syscall(SYS_delete_module, "relayfs_resize", 0), 0);
	EXPECT_EQ(read(self->fd, buf, sizeof(buf)), 0);
	EXPECT_EQ(read(inside, buf, sizeof(buf)), 0);
	EXPECT_EQ(read(last, buf, sizeof(buf)), 0);
	ASSERT_EQ(ioctl(self->fd, RELAY_IOC_GET_LOST, &lost), 0);
	EXPECT_EQ(lost.records, 70);
	EXPECT_EQ(lost.bytes, 70 * RECORD);
	ASSERT_EQ(ioctl(last, RELAY_IOC_GET_LOST, &lost), 0);
	EXPECT_EQ(lost.records, 90);
	close(inside);
	close(last);
	self->dev = resize_device();
	ASSERT_GE(self->dev, 0);
}

static void set_module_parameter(const char *name, const char *value)
{
	char path[80];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/relayfs_resize/parameters/%s", name);
	f = fopen(path, "we");
	if (!f || fputs(value, f) < 0 || fclose(f))
		perror(path);
}

/* What an ioctl comes to that is asked for by a process which is killed then. */
static int dies_in(int dev, unsigned long cmd, void *arg)
{
	int status;
	pid_t pid;

	set_module_parameter("dying", "1");
	pid = fork();
	if (!pid) {
		ioctl(dev, cmd, arg);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	set_module_parameter("dying", "0");
	return WIFSIGNALED(status) ? (int)module_parameter("relayfs_resize", "last") : -1000;
}

TEST_F(auto, who_is_killed_changes_nothing)
{
	struct resize_open o = { .subbuf_size = 4096, .n_subbufs = 4, .flags = variant->flags };
	struct resize_call c = { .n_subbufs = 8 };

	for (o.init_buf = 0; o.init_buf < 2; o.init_buf++) {
		if (o.init_buf && !(variant->flags & RELAY_USAGE_GLOBAL))
			break;
		begin(_metadata, self, o);
		write_some(_metadata, self, 10);
		EXPECT_EQ(o.init_buf ? dies_in(self->dev, RESIZE_DISCARD, NULL) :
			  dies_in(self->dev, RESIZE_REALLOC, &c), -EINTR);
		EXPECT_EQ(resized_replace(self->dev, RESIZE_PROCESS),
			  o.init_buf ? -EPERM : -EAGAIN);
		EXPECT_EQ(resized_state(self->dev).generation, 0);
		/* It works all the same for others. */
		EXPECT_EQ(o.init_buf ? ioctl(self->dev, RESIZE_DISCARD) :
			  resized_to(self->dev, 0, 8), 0);
		write_some(_metadata, self, 10);
		read_rest(_metadata, self);
		close(self->fd);
	}
	self->fd = -1;
}

struct caller {
	pthread_t thread;
	int dev, cpu, tid;
	unsigned long cmd;
	int ret;
};

static void *call_once(void *arg)
{
	struct caller *c = arg;

	pin_to_cpu(c->cpu);
	__atomic_store_n(&c->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	c->ret = ioctl(c->dev, c->cmd) ? -errno : 0;
	return NULL;
}

static char state_of(int tid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "re");
	if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (f)
		fclose(f);
	return state;
}

/* A flush, which the client holds up, keeps the first from being done; so the second finds it. */
TEST_F(auto, the_memory_is_given_back_by_one)
{
	struct caller flush = { .dev = self->dev, .cpu = 1, .cmd = RESIZE_FLUSH };
	struct caller discard = { .dev = self->dev, .cmd = RESIZE_DISCARD };
	struct resize_open o = { .subbuf_size = 4096, .n_subbufs = 4, .flags = variant->flags,
				 .init_buf = 1, .callbacks = RESIZE_HAS_RESIZE,
				 .behaviour = RESIZE_HOLD };
	int tid;

	/* With interrupts off as well, others would wait for the CPU instead. */
	if (!(variant->flags & RELAY_USAGE_GLOBAL) || variant->flags & RELAY_SCHEME_LOCKING)
		return;
	if (cpus() < 2)
		SKIP(return, "needs 2 CPUs");
	set_module_parameter("hold", "0");
	begin(_metadata, self, o);
	write_some(_metadata, self, 3);
	ASSERT_EQ(pthread_create(&flush.thread, NULL, call_once, &flush), 0);
	while (module_parameter("relayfs_resize", "hold") != 1)
		usleep(1000);
	ASSERT_EQ(pthread_create(&discard.thread, NULL, call_once, &discard), 0);
	while (!(tid = __atomic_load_n(&discard.tid, __ATOMIC_ACQUIRE)) || state_of(tid) != 'D')
		usleep(1000);
	EXPECT_EQ(ioctl(self->dev, RESIZE_DISCARD), -1);
	EXPECT_EQ(errno, EBUSY);
	set_module_parameter("hold", "2");
	pthread_join(flush.thread, NULL);
	pthread_join(discard.thread, NULL);
	EXPECT_EQ(discard.ret, 0);
	read_rest(_metadata, self);
}

TEST_F(auto, an_allocation_that_fails_changes_nothing)
{
	struct resize_open o = { .n_subbufs = 4, .flags = variant->flags,
				 .init_buf = !!(variant->flags & RELAY_USAGE_GLOBAL) };
	int failed = 0, ret = -1;
	int64_t used;

	if (!fault_injection_available())
		SKIP(return, "the kernel has no fault injection");
	ASSERT_EQ(fault_set_up(), 0);
	ASSERT_EQ(fault_memory_only(), 0);
	begin(_metadata, self, o);
	write_some(_metadata, self, 10);
	used = parameter_get("used_bytes");
	/* From the client's memory, and then from the first of its own to the next. */
	for (int what = !o.init_buf; what < 2; what++) {
		bool happened = true, ready = false;

		for (int nth = 1; happened && nth < MOST_FAULTS; nth++) {
			int fd = fault_arm(nth);

			if (what)
				ret = resized_realloc(self->dev, 8192, 4, RESIZE_PROCESS);
			else
				ret = ioctl(self->dev, RESIZE_DISCARD) ? -errno : 0;
			happened = fault_disarm(fd);
			if (!ret) {
				/* It had a second way. */
				ready = true;
				used = parameter_get("used_bytes");
				if (!what)
					break;
				continue;
			}
			failed++;
			ASSERT_EQ(ret, -ENOMEM);
			ASSERT_EQ(parameter_get("used_bytes"), used);
			ASSERT_EQ(resized_state(self->dev).generation, what && o.init_buf);
			if (!ready)
				ASSERT_EQ(resized_replace(self->dev, RESIZE_PROCESS),
					  what ? -EAGAIN : -EPERM);
		}
		EXPECT_EQ(ret, 0);
		read_rest(_metadata, self);
		write_some(_metadata, self, 10);
		used = parameter_get("used_bytes");
	}
	TH_LOG("%d failed", failed);
	EXPECT_GT(failed, 10);
	EXPECT_EQ(resized_replace(self->dev, RESIZE_PROCESS), 0);
	read_rest(_metadata, self);
}

TEST_HARNESS_MAIN
