// SPDX-License-Identifier: GPL-2.0
/*
 * A CPU that does not run writes nothing, so what is to be done to its buffer is done by who wants
 * it: by one at a time, as the buffer is one that a CPU writes alone.
 */

#include <pthread.h>

#include "callbacks.h"
#include "mapped.h"

#define SUBBUF	4096
#define EVENTS	10
#define ROUNDS	20
#define THREADS	4	/* of each kind */

FIXTURE(absent)
{
	int cpu;
	char row[16], file[32];
};

FIXTURE_SETUP(absent)
{
	self->cpu = cpus() - 1;
	if (self->cpu < 2)
		SKIP(return, "fewer than three CPUs");
	if (cpu_set_online(self->cpu, true))
		SKIP(return, "CPUs cannot be taken away");
	snprintf(self->row, sizeof(self->row), "cpu%d", self->cpu);
	snprintf(self->file, sizeof(self->file), "absent.d/cpu%d", self->cpu);
}

FIXTURE_TEARDOWN(absent)
{
	cpu_set_online(self->cpu, true);
}

static void *reset(void *dev)
{
	cb(*(int *)dev, CB_RESET);
	return NULL;
}

/* How often a sub-buffer of the CPU's was begun. */
static int begun(int dev, uint32_t cpu)
{
	const struct cb_event *events;
	int count, sum = 0;

	events = cb_events(dev, &count);
	for (int i = 0; i < count; i++)
		sum += events[i].what == CB_BUFFER_START && events[i].arg[4] == cpu;
	return sum;
}

/* The flush timer ends the sub-buffer, and is held up in that; then somebody wants the next. */
TEST_F(absent, one_at_a_time)
{
	int dev = callbacks_device(), before;
	struct mapped m = {};
	pthread_t thread;

	ASSERT_GE(dev, 0);
	ASSERT_EQ(cb_open(dev, "absent", (struct cb_open){
		.subbuf_size = SUBBUF, .n_subbufs = 4, .flags = RELAY_USAGE_SMP,
		.channel_start_reserve = 64,
		.wanted = 1 << CB_BUFFER_START | 1 << CB_BUFFER_END }), 0);
	m.fd = file_open(self->file, O_RDONLY | O_NONBLOCK);
	ASSERT_GE(m.fd, 0);
	ASSERT_EQ(pin_to_cpu(self->cpu), 0);
	ASSERT_EQ(cb_write(dev, 1, 8, .byte = 1), 8);
	/* The kernel moves who is where there is no CPU any more. */
	ASSERT_EQ(cpu_set_online(self->cpu, false), 0);
	before = begun(dev, self->cpu);
	ASSERT_EQ(cb_behave(dev, (struct cb_behave){ .hold = 1 << CB_BUFFER_END }), 0);
	ASSERT_TRUE(mapped_map(&m));
	while (!cb(dev, CB_INSIDE))
		usleep(1000);
	ASSERT_EQ(pthread_create(&thread, NULL, reset, &dev), 0);
	/* It has all the time it needs. */
	for (int i = 0; i < 100 && begun(dev, self->cpu) == before; i++)
		usleep(10 * 1000);
	EXPECT_EQ(begun(dev, self->cpu), before);
	EXPECT_EQ(cb(dev, CB_INSIDE), 1);
	ASSERT_EQ(cb_behave(dev, (struct cb_behave){}), 0);
	pthread_join(thread, NULL);
	EXPECT_EQ(begun(dev, self->cpu), before + 1);
	mapped_unmap(&m);
	close(m.fd);
	close(dev);
}

struct worker {
	pthread_t thread;
	const char *file;
	const bool *stop;
	uint64_t calls;
	int error;
};

static void *flush_until_stopped(void *arg)
{
	struct worker *w = arg;
	int fd = observer_open(w->file, O_RDONLY);
	uint64_t when;

	while (!__atomic_load_n(w->stop, __ATOMIC_RELAXED)) {
		w->error |= ioctl(fd, RELAY_IOC_FLUSH, &when);
		w->calls++;
	}
	close(fd);
	return NULL;
}

static void *read_until_end(void *arg)
{
	struct worker *w = arg;
	int fd = file_open(w->file, O_RDONLY);
	char data[SUBBUF];
	ssize_t got;

	while ((got = read(fd, data, sizeof(data))) > 0)
		w->calls++;
	w->error = got;
	close(fd);
	return NULL;
}

TEST_F(absent, flushes_and_readers_without_number)
{
	struct worker w[2 * THREADS] = {};
	struct relaytest_pattern p = {
		.cpu = self->cpu, .context = RELAYTEST_HARDIRQ, .count = EVENTS, .len = 64,
	};
	int dev = test_device(), id, rounds = scaled(ROUNDS), info_fd;
	unsigned long long v[4] = {};
	char text[4096] = "", *row;
	bool stop = false;

	id = chan_open_attr(dev, "absent", (struct relaytest_open){
		.subbuf_size = SUBBUF, .n_subbufs = 4, .flush_interval_ms = 1,
		.flags = RELAY_USAGE_SMP | RELAY_FORMAT_RECORDS | RELAY_MODE_NO_OVERWRITE });
	ASSERT_GE(id, 0);
	p.id = id;
	for (int i = 0; i < 2 * THREADS; i++) {
		w[i] = (struct worker){ .file = self->file, .stop = &stop };
		ASSERT_EQ(pthread_create(&w[i].thread, NULL,
					 i % 2 ? flush_until_stopped : read_until_end, &w[i]), 0);
	}
	for (int i = 0; i < rounds; i++) {
		ASSERT_EQ(chan_pattern(dev, &p), 0);
		ASSERT_EQ(p.written, EVENTS);
		ASSERT_EQ(cpu_set_online(self->cpu, false), 0);
		/* Would go on for ever if the buffer were spoilt. */
		while (info("absent", self->row, "unread", false))
			usleep(1000);
		ASSERT_EQ(cpu_set_online(self->cpu, true), 0);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	info_fd = file_open("absent.d/info", O_RDONLY);
	for (int i = 1; i < 2 * THREADS; i += 2)
		pthread_join(w[i].thread, NULL);
	ASSERT_EQ(chan_close(dev, id), 0);
	for (int i = 0; i < 2 * THREADS; i += 2)
		pthread_join(w[i].thread, NULL);
	for (int i = 0; i < 2 * THREADS; i++)
		EXPECT_EQ(w[i].error, 0);
	ASSERT_GT(read(info_fd, text, sizeof(text) - 1), 0);
	row = strstr(text, "total:");
	ASSERT_NE(row, NULL);
	ASSERT_EQ(sscanf(row,
			 "total: produced %llu %*u read %llu %*u unread %llu %*u overwritten %llu",
			 v, v + 1, v + 2, v + 3), 4);
	EXPECT_EQ(v[0], (uint64_t)rounds * EVENTS);
	EXPECT_EQ(v[1], v[0]);
	EXPECT_EQ(v[2], 0);
	EXPECT_EQ(v[3], 0);
	close(info_fd);
	close(dev);
}

TEST_HARNESS_MAIN
