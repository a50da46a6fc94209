// SPDX-License-Identifier: GPL-2.0
/* Callbacks while all CPUs write, while the channel is locked, and while the client goes. */

#include <pthread.h>
#include <sys/wait.h>

#include "callbacks_rig.h"

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
