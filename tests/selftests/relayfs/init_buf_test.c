// SPDX-License-Identifier: GPL-2.0
/* Channels that begin with memory of the client's and leave it. */

#include <pthread.h>
#include <sys/wait.h>

#include "fault.h"
#include "resizedtest.h"

TEST_F(resized, begins_with_memory_of_the_client)
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
TEST_F(resized, stays_in_memory_of_the_client_until_it_is_told)
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
TEST_F(resized, memory_of_the_client_may_go_with_it)
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
TEST_F(resized, what_cannot_leave_it_is_lost)
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

TEST_F(resized, who_is_killed_changes_nothing)
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

/* A flush, which the client holds up, keeps the first from being done; so the second finds it. */
TEST_F(resized, the_memory_is_given_back_by_one)
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
	while (!(tid = __atomic_load_n(&discard.tid, __ATOMIC_ACQUIRE)) || task_state(tid) != 'D')
		usleep(1000);
	EXPECT_EQ(ioctl(self->dev, RESIZE_DISCARD), -1);
	EXPECT_EQ(errno, EBUSY);
	set_module_parameter("hold", "2");
	pthread_join(flush.thread, NULL);
	pthread_join(discard.thread, NULL);
	EXPECT_EQ(discard.ret, 0);
	read_rest(_metadata, self);
}

TEST_F(resized, an_allocation_that_fails_changes_nothing)
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
