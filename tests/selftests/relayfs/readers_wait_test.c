// SPDX-License-Identifier: GPL-2.0
/* Readers in the kernel that wait, and writers that wait for them. */

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "readers.h"

#define MINUTE	60000

FIXTURE(readers_wait)
{
	int dev;
	uint32_t cpu;
};

FIXTURE_VARIANT(readers_wait)
{
	uint32_t flags;
	bool whole;
	int auto_consume;
};

FIXTURE_VARIANT_ADD(readers_wait, consuming) { .flags = RELAY_USAGE_SMP, .auto_consume = 1 };
FIXTURE_VARIANT_ADD(readers_wait, observing) { .flags = RELAY_USAGE_SMP };
FIXTURE_VARIANT_ADD(readers_wait, consuming_all)
{
	.flags = RELAY_USAGE_SMP, .auto_consume = 1, .whole = true,
};

FIXTURE_VARIANT_ADD(readers_wait, observing_all)
{
	.flags = RELAY_USAGE_SMP | RELAY_SCHEME_LOCKING, .whole = true,
};

FIXTURE_VARIANT_ADD(readers_wait, consuming_global)
{
	.flags = RELAY_USAGE_GLOBAL, .auto_consume = 1,
};

FIXTURE_VARIANT_ADD(readers_wait, observing_global)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING,
};

FIXTURE_SETUP(readers_wait)
{
	self->dev = calls_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->cpu = variant->whole ? RELAY_CPU_ALL :
		    variant->flags & RELAY_USAGE_GLOBAL ? RELAY_CPU_NONE : 0;
}

FIXTURE_TEARDOWN(readers_wait)
{
	close(self->dev);
}

struct waiter {
	pthread_t thread;
	int dev;
	int reader;
	bool count;	/* without a buffer */
	char data[4 * SUBBUF];
	long ret;
	bool done;
};

static void *wait_for_data(void *arg)
{
	struct waiter *w = arg;

	w->ret = reader_read(w->dev, w->reader, w->count ? NULL : w->data, sizeof(w->data), 1);
	__atomic_store_n(&w->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static bool is_done(struct waiter *w)
{
	return __atomic_load_n(&w->done, __ATOMIC_ACQUIRE);
}

static const char data[4 * SUBBUF] = "data";

#define open_(...) calls_open(self->dev, "w", (struct calls_open){ \
	.subbuf_size = SUBBUF, .n_subbufs = N, ##__VA_ARGS__ })

/* Starts a reader; it has time enough to begin to wait. */
static bool start(struct waiter *w, int dev, int reader)
{
	w->dev = dev;
	w->reader = reader;
	if (reader < 0 || pthread_create(&w->thread, NULL, wait_for_data, w))
		return false;
	usleep(30000);
	return !is_done(w);
}

#define start_(w, id) \
	ASSERT_TRUE(start(w, self->dev, reader_add(self->dev, id, self->cpu, \
						   variant->auto_consume)))

TEST_F(readers_wait, the_watermark_wakes)
{
	int id = open_(.flags = variant->flags, .watermark = 300,
		       .watermark_unit = RELAY_WATERMARK_BYTES, .flush_interval_ms = MINUTE);
	static struct waiter w;

	start_(&w, id);
	EXPECT_EQ(calls_write(self->dev, id, data, 200), 200);
	usleep(30000);
	EXPECT_FALSE(is_done(&w));
	EXPECT_EQ(calls_write(self->dev, id, data, 100), 100);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.ret, 300);
	EXPECT_EQ(memcmp(w.data, data, 200), 0);
}

TEST_F(readers_wait, a_write_wakes)
{
	int id = open_(.flags = variant->flags | RELAY_DELIVERY_PACKET,
		       .flush_interval_ms = MINUTE);
	static struct waiter w = { .count = true };

	start_(&w, id);
	EXPECT_EQ(calls_write(self->dev, id, data, 7), 7);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.ret, 7);
	EXPECT_EQ(reader_read(self->dev, w.reader, w.data, 100, 0), 7);
}

TEST_F(readers_wait, a_whole_sub_buffer_wakes)
{
	int id = open_(.flags = variant->flags, .flush_interval_ms = MINUTE);
	static struct waiter w;

	start_(&w, id);
	EXPECT_EQ(calls_write(self->dev, id, data, SUBBUF - 1), SUBBUF - 1);
	usleep(30000);
	EXPECT_FALSE(is_done(&w));
	EXPECT_EQ(calls_write(self->dev, id, data, 1), 1);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.ret, SUBBUF);
}

TEST_F(readers_wait, a_flush_wakes)
{
	int id = open_(.flags = variant->flags, .flush_interval_ms = MINUTE);
	static struct waiter w;

	start_(&w, id);
	EXPECT_EQ(calls_write(self->dev, id, data, 10), 10);
	usleep(30000);
	EXPECT_FALSE(is_done(&w));
	EXPECT_EQ(calls(self->dev, CALLS_FLUSH, id), 0);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.ret, 10);
}

TEST_F(readers_wait, what_is_below_the_watermark_comes_at_the_flush_interval)
{
	int id = open_(.flags = variant->flags, .flush_interval_ms = 50);
	static struct waiter w;

	start_(&w, id);
	EXPECT_EQ(calls_write(self->dev, id, data, 10), 10);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.ret, 10);
}

TEST_F(readers_wait, the_end_wakes)
{
	int id = open_(.flags = variant->flags, .flush_interval_ms = MINUTE);
	static struct waiter w;

	start_(&w, id);
	EXPECT_EQ(calls(self->dev, CALLS_CLOSE, id), 0);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.ret, 0);
}

TEST_F(readers_wait, the_end_shows_what_is_left)
{
	int id = open_(.flags = variant->flags, .flush_interval_ms = MINUTE);
	static struct waiter w;

	start_(&w, id);
	EXPECT_EQ(calls_write(self->dev, id, data, 10), 10);
	EXPECT_EQ(calls(self->dev, CALLS_CLOSE, id), 0);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.ret, 10);
	EXPECT_EQ(reader_read(self->dev, w.reader, w.data, 10, 1), 0);
}

static void nothing(int sig)
{
	(void)sig;
}

TEST_F(readers_wait, only_a_deadly_signal_ends_the_wait)
{
	int id = open_(.flags = variant->flags, .flush_interval_ms = MINUTE), status;
	struct sigaction action = { .sa_handler = nothing };
	pid_t pid;

	ASSERT_GE(id, 0);
	sigaction(SIGUSR1, &action, NULL);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		int reader = reader_add(self->dev, id, self->cpu, variant->auto_consume);

		calls(self->dev, CALLS_READ, reader, .data = (uintptr_t)data, .len = 10, .flag = 1);
		_exit(0);
	}
	ASSERT_TRUE(await_sleep(pid, 'D'));
	ASSERT_EQ(kill(pid, SIGUSR1), 0);
	usleep(50000);
	ASSERT_EQ(waitpid(pid, &status, WNOHANG), 0);
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(module_parameter("relayfs_calls", "last_read"), -EINTR);
}

TEST_F(readers_wait, a_deadly_signal_ends_a_writers_wait)
{
	int id = open_(.flags = variant->flags | RELAY_MODE_NO_OVERWRITE), status;
	pid_t pid;

	ASSERT_GE(id, 0);
	for (int i = 0; i < N; i++)
		ASSERT_EQ(calls_write(self->dev, id, data, SUBBUF), SUBBUF);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		calls(self->dev, CALLS_WRITE_WAIT, id, .data = (uintptr_t)data, .len = 100,
		      .flag = -1);
		_exit(0);
	}
	ASSERT_TRUE(await_sleep(pid, 'D'));
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(module_parameter("relayfs_calls", "last_write"), -EINTR);
	/* As any that is given up. */
	EXPECT_EQ(calls_info(self->dev, id).full.records, 1);
}

struct writer {
	pthread_t thread;
	int dev;
	int id;
	long ret;
	bool done;
};

static void *wait_for_room(void *arg)
{
	struct writer *w = arg;

	pin_to_cpu(0);
	w->ret = calls(w->dev, CALLS_WRITE_WAIT, w->id, .data = (uintptr_t)data, .len = 100,
		       .flag = -1);
	__atomic_store_n(&w->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Whoever says that something was consumed. */
TEST_F(readers_wait, consuming_wakes_a_writer)
{
	int id = open_(.flags = variant->flags | RELAY_MODE_NO_OVERWRITE), reader;
	bool map = !variant->whole && !variant->auto_consume;
	struct writer w = { .dev = self->dev, .id = id };
	char to[SUBBUF];

	ASSERT_GE(id, 0);
	reader = map ? map_reader_add(self->dev, id, self->cpu) :
		       reader_add(self->dev, id, self->cpu, variant->auto_consume);
	for (int i = 0; i < N; i++)
		ASSERT_EQ(calls_write(self->dev, id, data, SUBBUF), SUBBUF);
	ASSERT_EQ(pthread_create(&w.thread, NULL, wait_for_room, &w), 0);
	usleep(50000);
	ASSERT_FALSE(__atomic_load_n(&w.done, __ATOMIC_ACQUIRE));
	if (!map)
		ASSERT_EQ(reader_read(self->dev, reader, to, SUBBUF, 0), SUBBUF);
	if (!variant->auto_consume) {
		usleep(50000);
		ASSERT_FALSE(__atomic_load_n(&w.done, __ATOMIC_ACQUIRE));
		ASSERT_EQ(consume_bytes(self->dev, reader, SUBBUF), 0);
	}
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.ret, 100);
	EXPECT_EQ(calls_info(self->dev, id).full.records, 0);
}

TEST_HARNESS_MAIN
