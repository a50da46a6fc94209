// SPDX-License-Identifier: GPL-2.0
/* What clients are told of buffers: each callback with its arguments, its context, its number. */

#include <pthread.h>
#include <sys/wait.h>

#include "callbacks.h"

#define SUBBUF	4096
#define START	32
#define END	16
#define FIRST	64	/* more in the first sub-buffer */
#define MARK	0x5a

FIXTURE(callbacks)
{
	int dev;
	uint32_t cpu;		/* as callbacks name the buffer of CPU 0 */
	bool locking;
	bool overwrite;
};

FIXTURE_VARIANT(callbacks)
{
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(callbacks, smp) { .flags = RELAY_USAGE_SMP };
FIXTURE_VARIANT_ADD(callbacks, smp_full) { .flags = RELAY_USAGE_SMP | RELAY_MODE_NO_OVERWRITE };
FIXTURE_VARIANT_ADD(callbacks, smp_locking) { .flags = RELAY_USAGE_SMP | RELAY_SCHEME_LOCKING };
FIXTURE_VARIANT_ADD(callbacks, global) { .flags = RELAY_USAGE_GLOBAL };

FIXTURE_VARIANT_ADD(callbacks, global_full)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_MODE_NO_OVERWRITE,
};

FIXTURE_VARIANT_ADD(callbacks, global_locking)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING,
};

FIXTURE_VARIANT_ADD(callbacks, global_locking_full)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING | RELAY_MODE_NO_OVERWRITE,
};

FIXTURE_SETUP(callbacks)
{
	self->locking = (variant->flags & RELAY_SCHEME_ANY) == RELAY_SCHEME_LOCKING;
	self->overwrite = !(variant->flags & RELAY_MODE_NO_OVERWRITE);
	self->cpu = variant->flags & RELAY_USAGE_GLOBAL ? RELAY_CPU_NONE : 0;
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->dev = callbacks_device();
	ASSERT_GE(self->dev, 0);
}

FIXTURE_TEARDOWN(callbacks)
{
	close(self->dev);
}

#define open_(n, which, more, ...) ASSERT_EQ(cb_open(self->dev, "c", (struct cb_open){ \
	.subbuf_size = SUBBUF, .n_subbufs = (n), .wanted = (which), \
	.flags = variant->flags | (more), ##__VA_ARGS__ }), 0)
#define behave_(...) ASSERT_EQ(cb_behave(self->dev, (struct cb_behave){ __VA_ARGS__ }), 0)
#define count_(what) cb_count(self->dev, what)
#define flush_() ASSERT_EQ(cb(self->dev, CB_FLUSH), 0)

static char in[1 << 20];
static char told[1 << 20];

/* What a writer's callbacks find in a context of its own. */
static uint32_t context_of(const FIXTURE_DATA(callbacks) * self, enum cb_context context)
{
	switch (context) {
	case CB_HARDIRQ:
		return CB_IN_HARDIRQ | CB_IRQS_OFF;
	case CB_NMI:
		return CB_IN_NMI | CB_IN_HARDIRQ | CB_IRQS_OFF;
	default:
		return CB_IN_TASK | (self->locking ? CB_IRQS_OFF : 0);
	}
}

/* Sub-buffers of records of 1000 bytes, from all contexts. */
TEST_F(callbacks, start_and_end_of_each_subbuffer)
{
	int fd, at = 0;
	ssize_t len;

	open_(4, CB_ALL, 0, .start_reserve = START, .end_reserve = END,
	      .channel_start_reserve = FIRST);
	behave_(.mark = MARK);
	fd = observer_open("c", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(fd, 0);
	/* 3, then 4 each: the last of which is ended by the flush. */
	ASSERT_EQ(cb_write(self->dev, 3, 1000, .byte = 1), 1000);
	ASSERT_EQ(cb_write(self->dev, 4, 1000, .byte = 2, .context = CB_HARDIRQ), 1000);
	ASSERT_EQ(cb_write(self->dev, 4, 1000, .byte = 3, .context = CB_NMI),
		  self->locking ? -EAGAIN : 1000);
	if (self->locking)
		ASSERT_EQ(cb_write(self->dev, 4, 1000, .byte = 3), 1000);
	ASSERT_EQ(cb_write(self->dev, 4, 1000, .byte = 4), 1000);
	EXPECT_EQ(count_(CB_BUFFER_START), 4);
	EXPECT_EQ(count_(CB_BUFFER_END), 3);
	flush_();
	EXPECT_EQ(count_(CB_BUFFER_END), 4);
	/* There is nothing to end. */
	flush_();
	EXPECT_EQ(count_(CB_BUFFER_START), 4);
	EXPECT_EQ(count_(CB_BUFFER_END), 4);
	len = read(fd, in, sizeof(in));
	for (int seq = 0; seq < 4; seq++) {
		struct cb_event start = cb_event(self->dev, CB_BUFFER_START, seq);
		struct cb_event end = cb_event(self->dev, CB_BUFFER_END, seq);
		uint64_t head = START + (seq ? 0 : FIRST);
		uint64_t records = seq ? 4 : 3;
		/* A sub-buffer is ended by who begins the next. */
		static const enum cb_context by[] = { CB_TASK, CB_HARDIRQ, CB_NMI, CB_TASK };
		enum cb_context begun = self->locking && by[seq] == CB_NMI ? CB_TASK : by[seq];

		EXPECT_EQ(start.chan, 1);
		EXPECT_EQ(start.cpu, 0);
		EXPECT_EQ(start.context, context_of(self, begun));
		EXPECT_EQ(start.arg[0], seq);
		EXPECT_EQ(start.arg[2], head);
		EXPECT_EQ(start.arg[3], END);
		EXPECT_EQ((uint32_t)start.arg[4], self->cpu);
		EXPECT_EQ(start.arg[5], 1);
		EXPECT_EQ(end.chan, 1);
		EXPECT_EQ(end.arg[0], seq);
		EXPECT_EQ(end.arg[1], head + 1000 * records);
		EXPECT_EQ(end.arg[2], records);
		EXPECT_EQ(end.arg[3], SUBBUF - END - head - 1000 * records);
		EXPECT_EQ((uint32_t)end.arg[4], self->cpu);
		EXPECT_EQ(end.arg[5], 1);
		/* Readers see what was put there. */
		ASSERT_GE(len - at, (ssize_t)(head + 1000 * records + END));
		for (uint64_t i = 0; i < head; i++)
			ASSERT_EQ(in[at + i], MARK);
		at += head;
		for (uint64_t i = 0; i < 1000 * records; i++)
			ASSERT_EQ(in[at + i], seq + 1);
		at += 1000 * records;
		for (int i = 0; i < END; i++)
			ASSERT_EQ(in[at + i], MARK);
		at += END;
	}
	EXPECT_EQ(at, len);
	close(fd);
}

TEST_F(callbacks, they_may_write_to_the_channel)
{
	uint64_t calls;

	open_(64, CB_ALL, 0, .start_reserve = START);
	behave_(.write = 1 << CB_BUFFER_START | 1 << CB_BUFFER_END | 1 << CB_DELIVER);
	for (int i = 0; i < 30; i++)
		ASSERT_EQ(cb_write(self->dev, 1, 1000, .context = i % 3), self->locking &&
			  i % 3 == CB_NMI ? -EAGAIN : 1000);
	flush_();
	calls = count_(CB_BUFFER_START) + count_(CB_BUFFER_END) + count_(CB_DELIVER);
	EXPECT_GE(calls, 3 * (self->locking ? 5 : 7));
	EXPECT_EQ(info("c", "total", "produced", false), (self->locking ? 20 : 30) + calls);
	/* Those that are told of the end write no more. */
	ASSERT_EQ(cb(self->dev, CB_CLOSE), 0);
}

/* Waits until that many were told. */
static void await_count(int dev, enum cb_what what, int count)
{
	while (cb_count(dev, what) < count)
		usleep(1000);
}

TEST_F(callbacks, complete_subbuffers_are_delivered)
{
	int fd;
	ssize_t len;

	open_(4, CB_ALL, 0);
	fd = observer_open("c", O_RDONLY | O_NONBLOCK);
	for (int i = 1; i <= 12; i++) {
		ASSERT_EQ(cb_write(self->dev, 1, 1024, .byte = i), 1024);
		await_count(self->dev, CB_DELIVER, i / 4);
	}
	ASSERT_EQ(cb_write(self->dev, 1, 100, .byte = 13), 100);
	flush_();
	await_count(self->dev, CB_DELIVER, 4);
	len = read(fd, in, sizeof(in));
	EXPECT_EQ(len, 3 * SUBBUF + 100);
	EXPECT_EQ(cb_delivered(self->dev, told, sizeof(told)), len);
	EXPECT_EQ(memcmp(in, told, len), 0);
	for (int i = 0; i < 4; i++) {
		struct cb_event event = cb_event(self->dev, CB_DELIVER, i);

		EXPECT_EQ(event.chan, 1);
		EXPECT_EQ(event.context, CB_IN_HARDIRQ | CB_IRQS_OFF);
		EXPECT_EQ(event.arg[0], i);
		EXPECT_EQ(event.arg[1], i * SUBBUF);
		EXPECT_EQ(event.arg[2], i < 3 ? SUBBUF : 100);
		EXPECT_EQ(event.arg[3], 0);
		EXPECT_EQ((uint32_t)event.arg[4], self->cpu);
		EXPECT_EQ(event.arg[5], 1);
	}
	close(fd);
}

TEST_F(callbacks, a_watermark_does_not_cut_what_is_delivered)
{
	open_(4, CB_ALL, 0, .watermark = 1, .watermark_unit = RELAY_WATERMARK_BYTES);
	ASSERT_EQ(cb_write(self->dev, 7, 1024, .byte = 1), 1024);
	ASSERT_EQ(cb(self->dev, CB_CLOSE), 0);
	EXPECT_EQ(count_(CB_DELIVER), 2);
	EXPECT_EQ(cb_event(self->dev, CB_DELIVER, 0).arg[2], SUBBUF);
	EXPECT_EQ(cb_event(self->dev, CB_DELIVER, 1).arg[2], 3 * 1024);
}

TEST_F(callbacks, with_packet_delivery_each_record_is)
{
	int fd, count;
	ssize_t len;

	/* Whatever the watermark: that is for those who wait. */
	open_(4, CB_ALL, RELAY_DELIVERY_PACKET, .start_reserve = START,
	      .watermark = 3, .watermark_unit = RELAY_WATERMARK_SUBBUFS);
	fd = observer_open("c", O_RDONLY | O_NONBLOCK);
	for (int i = 1; i <= 10; i++) {
		ASSERT_EQ(cb_write(self->dev, 1, 1000, .byte = i), 1000);
		await_count(self->dev, CB_DELIVER, i);
		ASSERT_EQ(cb_count(self->dev, CB_DELIVER), i);
	}
	len = read(fd, in, sizeof(in));
	EXPECT_EQ(cb_delivered(self->dev, told, sizeof(told)), len);
	EXPECT_EQ(memcmp(in, told, len), 0);
	/* There is nothing more to tell. */
	ASSERT_EQ(cb(self->dev, CB_CLOSE), 0);
	count = count_(CB_DELIVER);
	EXPECT_EQ(count, 10);
	close(fd);
}

TEST_F(callbacks, holes_and_end_reserves_are_stepped_over)
{
	struct cb_event event;

	open_(4, CB_ALL, 0, .end_reserve = END);
	behave_(.mark = MARK);
	ASSERT_EQ(cb_write(self->dev, 2, 1000, .byte = 1), 1000);
	flush_();
	await_count(self->dev, CB_DELIVER, 2);
	event = cb_event(self->dev, CB_DELIVER, 0);
	EXPECT_EQ(event.arg[2], 2000);
	EXPECT_EQ(event.arg[5], 0);
	event = cb_event(self->dev, CB_DELIVER, 1);
	EXPECT_EQ(event.arg[2], END);
	EXPECT_EQ(event.arg[5], 1);
	ASSERT_EQ(cb_delivered(self->dev, told, sizeof(told)), 2000 + END);
	for (int i = 0; i < END; i++)
		ASSERT_EQ(told[2000 + i], MARK);
}

TEST_F(callbacks, what_was_overwritten_before_is_counted)
{
	struct cb_event event;

	/* The interrupt that tells comes after the one that writes. */
	open_(4, CB_ALL, 0);
	cb_write(self->dev, 40, 1024, .byte = 1, .context = CB_HARDIRQ);
	ASSERT_EQ(cb(self->dev, CB_CLOSE), 0);
	EXPECT_EQ(count_(CB_DELIVER), 4);
	event = cb_event(self->dev, CB_DELIVER, 0);
	EXPECT_EQ(event.arg[0], self->overwrite ? 6 : 0);
	EXPECT_EQ(event.arg[3], self->overwrite ? 24 : 0);
	event = cb_event(self->dev, CB_DELIVER, 3);
	EXPECT_EQ(event.arg[0], self->overwrite ? 9 : 3);
	EXPECT_EQ(event.arg[3], self->overwrite ? 24 : 0);
}

TEST_F(callbacks, a_reset_ends_a_subbuffer_and_what_is_gone_counts_as_lost)
{
	open_(4, CB_ALL, 0);
	ASSERT_EQ(cb_write(self->dev, 2, 1024, .byte = 1), 1024);
	ASSERT_EQ(cb(self->dev, CB_RESET), 0);
	EXPECT_EQ(count_(CB_BUFFER_END), 1);
	ASSERT_EQ(cb_write(self->dev, 4, 1024, .byte = 2), 1024);
	await_count(self->dev, CB_DELIVER, 1);
	EXPECT_EQ(cb_event(self->dev, CB_DELIVER, 0).arg[0], 1);
	EXPECT_EQ(cb_event(self->dev, CB_DELIVER, 0).arg[3], 2);
}

TEST_F(callbacks, all_is_told_before_the_end_and_nothing_after)
{
	int fd, events;

	open_(4, CB_ALL, 0, .mode = 0666);
	fd = file_open("c", O_RDWR);
	ASSERT_EQ(cb_write(self->dev, 5, 1000, .byte = 1), 1000);
	ASSERT_EQ(cb(self->dev, CB_CLOSE), 0);
	EXPECT_EQ(count_(CB_BUFFER_START), 2);
	EXPECT_EQ(count_(CB_BUFFER_END), 2);
	EXPECT_EQ(cb_delivered(self->dev, told, sizeof(told)), 5000);
	events = cb(self->dev, CB_COUNT);
	EXPECT_EQ(events, 1 + 2 + 2 + 2);
	EXPECT_EQ(read(fd, in, sizeof(in)), 5000);
	EXPECT_EQ(ioctl(fd, 42), -1);
	EXPECT_EQ(write(fd, in, 1), -1);
	close(fd);
	EXPECT_EQ(cb(self->dev, CB_COUNT), 0);
}

TEST_F(callbacks, a_full_buffer_is_told_once)
{
	struct cb_event event;
	ssize_t len;
	int fd;

	open_(4, CB_ALL, 0);
	fd = file_open("c.d/cpu0", O_RDONLY | O_NONBLOCK);
	for (int i = 1; i <= 3; i++) {
		/* Room for 16; the last of these are refused, in each context. */
		cb_write(self->dev, 17, 1024);
		cb_write(self->dev, 3, 1024, .context = CB_HARDIRQ);
		cb_write(self->dev, 3, 1024, .context = CB_NMI);
		if (!self->overwrite) {
			await_count(self->dev, CB_BUFFERS_FULL, i);
			event = cb_event(self->dev, CB_BUFFERS_FULL, i - 1);
			EXPECT_EQ(event.chan, 1);
			EXPECT_EQ(event.context, CB_IN_HARDIRQ | CB_IRQS_OFF);
			EXPECT_EQ((uint32_t)event.arg[0], self->cpu);
		}
		len = read(fd, in, sizeof(in));
		if (!self->overwrite)
			EXPECT_EQ(len, 4 * SUBBUF);
		EXPECT_EQ(count_(CB_BUFFERS_FULL), self->overwrite ? 0 : i);
	}
	close(fd);
	ASSERT_EQ(cb(self->dev, CB_CLOSE), 0);
	EXPECT_EQ(count_(CB_BUFFERS_FULL), self->overwrite ? 0 : 3);
}

TEST_F(callbacks, delivery_goes_on_across_a_resize)
{
	int fd;
	ssize_t len;

	open_(4, CB_ALL, 0);
	fd = observer_open("c", O_RDONLY | O_NONBLOCK);
	ASSERT_EQ(cb_write(self->dev, 3, 1000, .byte = 1), 1000);
	ASSERT_EQ(cb(self->dev, CB_RESIZE, .len = 2 * SUBBUF, .count = 8), 0);
	ASSERT_EQ(cb_write(self->dev, 20, 1000, .byte = 2), 1000);
	len = read(fd, in, sizeof(in));
	EXPECT_EQ(len, 23000);
	/* In overwrite mode nothing is in the way of another one. */
	while (read(fd, in + len, sizeof(in) - len) > 0)
		;
	if (self->overwrite) {
		ASSERT_EQ(cb(self->dev, CB_RESIZE, .len = SUBBUF, .count = 16), 0);
		ASSERT_EQ(cb_write(self->dev, 10, 1000, .byte = 3), 1000);
		len += read(fd, in + len, sizeof(in) - len);
		EXPECT_EQ(len, 33000);
	}
	ASSERT_EQ(cb(self->dev, CB_CLOSE), 0);
	EXPECT_EQ(cb_delivered(self->dev, told, sizeof(told)), len);
	EXPECT_EQ(memcmp(in, told, len), 0);
	EXPECT_EQ(cb_event(self->dev, CB_DELIVER, count_(CB_DELIVER) - 1).arg[3], 0);
	close(fd);
}

/* A task on each CPU. */
#define TASKS	4
#define ROUNDS	((int)scaled(60))

struct task {
	pthread_t thread;
	int dev;
	int number;
	int op;
};

static void *write_rounds(void *arg)
{
	struct task *t = arg;

	pin_to_cpu(t->number % sysconf(_SC_NPROCESSORS_ONLN));
	for (int i = 0; i < ROUNDS; i++)
		cb(t->dev, t->op, .count = 10, .len = 100, .byte = t->number + 1,
		   .context = t->op == CB_WRITE ? i % 2 : 0);
	return NULL;
}

static void run_tasks(int dev, enum cb_op op)
{
	struct task tasks[TASKS];

	for (int i = 0; i < TASKS; i++) {
		tasks[i] = (struct task){ .dev = dev, .number = i, .op = op };
		pthread_create(&tasks[i].thread, NULL, write_rounds, &tasks[i]);
	}
	for (int i = 0; i < TASKS; i++)
		pthread_join(tasks[i].thread, NULL);
}

static void everything_is_told_once(struct __test_metadata *_metadata,
				    FIXTURE_DATA(callbacks) * self)
{
	static uint32_t length[65], seq[65];
	const struct cb_event *events;
	static char name[16];
	int count;

	memset(seq, 0, sizeof(seq));
	ASSERT_EQ(cb(self->dev, CB_CLOSE), 0);
	EXPECT_EQ(cb_delivered(self->dev, told, sizeof(told)), TASKS * ROUNDS * 1000);
	events = cb_events(self->dev, &count);
	memset(length, 0, sizeof(length));
	for (int i = 0; i < count; i++) {
		uint32_t cpu = events[i].arg[4] == RELAY_CPU_NONE ? 64 : events[i].arg[4];

		if (events[i].what != CB_DELIVER)
			continue;
		ASSERT_LE(cpu, 64);
		ASSERT_EQ(events[i].context & CB_OVERLAP, 0) TH_LOG("%s event %d", name, i);
		ASSERT_EQ(events[i].arg[3], 0);
		ASSERT_GE(events[i].arg[0], seq[cpu]);
		seq[cpu] = events[i].arg[0];
		length[cpu] += events[i].arg[2];
	}
	count = 0;
	for (int i = 0; i < 65; i++)
		count += length[i];
	EXPECT_EQ(count, TASKS * ROUNDS * 1000);
}

TEST_F(callbacks, all_cpus_write_in_bulk)
{
	open_(128, CB_ALL, 0);
	run_tasks(self->dev, CB_WRITE);
	everything_is_told_once(_metadata, self);
}

TEST_F(callbacks, all_cpus_write_packets)
{
	open_(128, CB_ALL, RELAY_DELIVERY_PACKET);
	run_tasks(self->dev, CB_WRITE);
	everything_is_told_once(_metadata, self);
}

TEST_F(callbacks, what_is_written_with_the_channel_locked_lies_together)
{
	bool together = true;
	ssize_t len;
	int fd;

	open_(128, 0, 0);
	fd = file_open("c.d/cpu0", O_RDONLY | O_NONBLOCK);
	run_tasks(self->dev, CB_LOCK_WRITE);
	len = read(fd, in, sizeof(in));
	EXPECT_GT(len, 0);
	for (ssize_t at = 0; at < len; at++)
		together &= in[at] == in[at - at % 1000];
	/* Without a lock for all CPUs they may lie so. */
	if (self->locking && self->cpu == RELAY_CPU_NONE)
		EXPECT_TRUE(together);
	close(fd);
}

/* Users that do all they can with a channel's files, whether there or not. */
static void load(void)
{
	char b[64];

	for (;;) {
		int fd = file_open("c", O_RDWR | O_NONBLOCK), cpu = file_open("c.d/cpu0", O_RDONLY);
		void *map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, cpu, 0);

		if (write(fd, "user", 4) == 4)
			ioctl(fd, 42);
		if (read(fd, b, sizeof(b)) < 0)
			ioctl(cpu, 43);
		if (map != MAP_FAILED)
			munmap(map, PAGE);
		close(fd);
		close(cpu);
	}
}

static void *keep_writing(void *arg)
{
	struct task *t = arg;

	pin_to_cpu(t->number % sysconf(_SC_NPROCESSORS_ONLN));
	while (!__atomic_load_n(&t->op, __ATOMIC_RELAXED))
		cb_write(t->dev, 20, 100, .context = t->number % 3);
	return NULL;
}

TEST_F(callbacks, the_client_can_go_at_once)
{
	pid_t users[3];
	int status;

	for (int i = 0; i < 3; i++) {
		users[i] = fork();
		ASSERT_GE(users[i], 0);
		if (!users[i]) {
			close(self->dev);
			load();
		}
	}
	close(self->dev);
	for (int i = 0; i < 8; i++) {
		struct task task = { .number = i };

		self->dev = callbacks_device();
		ASSERT_GE(self->dev, 0);
		open_(4, CB_ALL, i & 1 ? RELAY_DELIVERY_PACKET : 0, .mode = 0666);
		task.dev = self->dev;
		ASSERT_EQ(pthread_create(&task.thread, NULL, keep_writing, &task), 0);
		usleep(20000);
		__atomic_store_n(&task.op, 1, __ATOMIC_RELAXED);
		pthread_join(task.thread, NULL);
		/* The channel goes with it, and then nothing of the client is left. */
		close(self->dev);
		ASSERT_EQ(syscall(SYS_delete_module, "relayfs_callbacks", O_NONBLOCK), 0);
	}
	for (int i = 0; i < 3; i++) {
		kill(users[i], SIGKILL);
		waitpid(users[i], &status, 0);
	}
	self->dev = callbacks_device();
}

TEST_HARNESS_MAIN
