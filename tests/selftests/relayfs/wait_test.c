// SPDX-License-Identifier: GPL-2.0
/* Writers that wait for room: nothing is lost, and they can always be got out of it. */

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "relaytest.h"

#define SUBBUF	4096
#define RECORD	512
#define FIT	(2 * SUBBUF / RECORD)

FIXTURE(wait) {
	int dev;
	int id;
	int fd;
};

FIXTURE_VARIANT(wait) {
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(wait, smp) { .flags = RELAY_USAGE_SMP };
FIXTURE_VARIANT_ADD(wait, global) { .flags = RELAY_USAGE_GLOBAL };
FIXTURE_VARIANT_ADD(wait, smp_locking) { .flags = RELAY_USAGE_SMP | RELAY_SCHEME_LOCKING };
FIXTURE_VARIANT_ADD(wait, global_locking) { .flags = RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING };

FIXTURE_SETUP(wait)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->id = chan_open(self->dev, "wait", SUBBUF, 2,
			     variant->flags | RELAY_MODE_NO_OVERWRITE);
	ASSERT_GE(self->id, 0);
	self->fd = file_open("wait.d/cpu0", O_RDONLY);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(wait)
{
	close(self->fd);
	close(self->dev);
}

static const char record[RECORD];

static void fill(struct __test_metadata *_metadata, FIXTURE_DATA(wait) * self)
{
	for (int i = 0; i < FIT; i++)
		ASSERT_EQ(chan_write_wait(self->dev, self->id, record, RECORD, 0), RECORD);
}

struct writer {
	pthread_t thread;
	int dev;
	int id;
	int count;
	long result;	/* the last one that was not RECORD, or RECORD */
	int done;
};

static void *write_records(void *arg)
{
	struct writer *w = arg;

	pin_to_cpu(0);
	w->result = RECORD;
	for (int i = 0; i < w->count && w->result == RECORD; i++) {
		struct relaytest_record r = { .magic = RELAYTEST_MAGIC, .len = RECORD,
					      .number = i };
		char b[RECORD];

		memset(b, relaytest_byte(0, i), RECORD);
		memcpy(b, &r, sizeof(r));
		w->result = chan_write_wait(w->dev, w->id, b, RECORD, -1);
		__atomic_add_fetch(&w->done, w->result == RECORD, __ATOMIC_RELAXED);
	}
	return NULL;
}

TEST_F(wait, without_time_a_full_ring_refuses_and_counts)
{
	fill(_metadata, self);
	EXPECT_EQ(chan_write_wait(self->dev, self->id, record, RECORD, 0), -ETIMEDOUT);
	EXPECT_EQ(chan_write_wait(self->dev, self->id, record, RECORD, 30), -ETIMEDOUT);
	EXPECT_EQ(info("wait", "cpu0", "full", false), 2);
	EXPECT_EQ(info("wait", "cpu0", "full", true), 2 * RECORD);
	EXPECT_EQ(info("wait", "cpu0", "produced", false), FIT);
}

TEST_F(wait, errors_no_waiting_helps_against)
{
	EXPECT_EQ(chan_write_wait(self->dev, self->id, NULL, SUBBUF + 1, -1), -EMSGSIZE);
	EXPECT_EQ(chan_write_wait(self->dev, self->id, record, 0, -1), 0);
	EXPECT_EQ(info("wait", "cpu0", "too_big", false), 1);
}

TEST_F(wait, nothing_is_lost_however_slow_the_reader)
{
	struct writer w = { .dev = self->dev, .id = self->id, .count = 2000 };
	static char b[2 * SUBBUF];
	int next = 0;

	ASSERT_EQ(pthread_create(&w.thread, NULL, write_records, &w), 0);
	while (next < w.count) {
		/* Whole records at a time, of different amounts. */
		ssize_t n = read(self->fd, b, RECORD * (1 + next % 11));

		ASSERT_GT(n, 0);
		for (ssize_t at = 0; at < n; at += RECORD) {
			struct relaytest_record *r = (void *)(b + at);

			ASSERT_EQ(record_check((void *)(b + at), n - at), RECORD);
			ASSERT_EQ(r->number, next);
			next++;
		}
	}
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.result, RECORD);
	EXPECT_EQ(info("wait", "cpu0", "produced", false), w.count);
	EXPECT_EQ(info("wait", "cpu0", "read", false), w.count);
	EXPECT_EQ(info("wait", "cpu0", "full", false), 0);
}

/* Starts a writer that has to wait. */
static void start_waiting(struct __test_metadata *_metadata, FIXTURE_DATA(wait) * self,
			  struct writer *w)
{
	fill(_metadata, self);
	w->dev = self->dev;
	w->id = self->id;
	w->count = 1;
	ASSERT_EQ(pthread_create(&w->thread, NULL, write_records, w), 0);
	usleep(50000);
	ASSERT_EQ(__atomic_load_n(&w->done, __ATOMIC_RELAXED), 0);
}

TEST_F(wait, a_reset_makes_room)
{
	struct writer w = {};

	start_waiting(_metadata, self, &w);
	EXPECT_EQ(chan_reset(self->dev, self->id), 0);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.result, RECORD);
}

TEST_F(wait, closing_the_channel_ends_the_wait)
{
	struct writer w = {};

	start_waiting(_metadata, self, &w);
	EXPECT_EQ(chan_close(self->dev, self->id), 0);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.result, -ESHUTDOWN);
}

TEST_F(wait, a_waiting_writer_can_be_killed)
{
	int status;
	pid_t pid;

	fill(_metadata, self);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		chan_write_wait(self->dev, self->id, record, RECORD, -1);
		_exit(0);
	}
	ASSERT_TRUE(await_sleep(pid, 'D'));
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(info("wait", "cpu0", "full", false), 1);
}

TEST_HARNESS_MAIN
