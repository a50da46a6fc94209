// SPDX-License-Identifier: GPL-2.0
/* CPUs that come and go while channels are open, written, read and closed. */

#include <dirent.h>
#include <pthread.h>
#include "relaytest.h"

#define RECORD	64

FIXTURE(hotplug)
{
	int dev, cpu;
	char row[16], file[32];
};

FIXTURE_SETUP(hotplug)
{
	self->cpu = cpus() - 1;
	if (self->cpu < 1)
		SKIP(return, "one CPU");
	if (cpu_set_online(self->cpu, true))
		SKIP(return, "CPUs cannot be taken away");
	snprintf(self->row, sizeof(self->row), "cpu%d", self->cpu);
	snprintf(self->file, sizeof(self->file), "plug.d/cpu%d", self->cpu);
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
}

FIXTURE_TEARDOWN(hotplug)
{
	close(self->dev);
	cpu_set_online(self->cpu, true);
}

/* Writes @count records on @cpu, numbered from @first; how many were written, or -errno. */
static int write_on(int dev, int id, int cpu, uint32_t first, uint32_t count)
{
	struct relaytest_pattern p = { .id = id, .cpu = cpu, .context = RELAYTEST_HARDIRQ,
				       .count = count, .len = RECORD, .writer = cpu,
				       .first = first };
	int err = chan_pattern(dev, &p);

	return err ? err : (int)p.written;
}

/* Reads what there is; records, from @first on, or -1 if they are not what was written. */
static int read_records(int fd, uint32_t first)
{
	static unsigned char data[1 << 20];
	ssize_t len = read(fd, data, sizeof(data));
	int n = 0;

	for (ssize_t at = 0; at < len; at += RECORD, n++) {
		struct relaytest_record r;

		if (record_check(data + at, len - at) != RECORD)
			return -1;
		memcpy(&r, data + at, sizeof(r));
		if (r.number != first + n)
			return -1;
	}
	return n;
}

TEST_F(hotplug, a_cpu_that_comes_up_gets_a_buffer)
{
	int id, whole, fd;

	ASSERT_EQ(cpu_set_online(self->cpu, false), 0);
	id = chan_open(self->dev, "plug", 0, 0, 0);
	ASSERT_GE(id, 0);
	EXPECT_TRUE(file_exists("plug.d/cpu0"));
	EXPECT_FALSE(file_exists(self->file));
	EXPECT_EQ(info("plug", self->row, "produced", false), -1);
	whole = file_open("plug", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(whole, 0);
	EXPECT_EQ(write_on(self->dev, id, self->cpu, 0, 1), -ENXIO);

	ASSERT_EQ(cpu_set_online(self->cpu, true), 0);
	EXPECT_TRUE(file_exists(self->file));
	EXPECT_EQ(write_on(self->dev, id, self->cpu, 0, 10), 10);
	EXPECT_EQ(info("plug", self->row, "produced", false), 10);
	EXPECT_EQ(info("plug", "total", "no_buffer", false), 0);
	/* By a reader that is older than the buffer, and by one of the buffer alone. */
	EXPECT_EQ(read_records(whole, 0), 10);
	fd = file_open(self->file, O_RDONLY | O_NONBLOCK);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(write_on(self->dev, id, self->cpu, 10, 10), 10);
	EXPECT_EQ(read_records(fd, 10), 10);
	EXPECT_EQ(chan_close(self->dev, id), 0);
	EXPECT_FALSE(file_exists("plug.d"));
	EXPECT_EQ(read(whole, &id, 1), 0);
	EXPECT_EQ(read(fd, &id, 1), 0);
	close(whole);
	close(fd);
}

struct waiter {
	pthread_t thread;
	int fd, result;
	bool poll;
};

static void *wait_for_data(void *arg)
{
	struct waiter *w = arg;
	struct pollfd p = { .fd = w->fd, .events = POLLIN };

	w->result = !w->poll || poll(&p, 1, -1) == 1 ? read_records(w->fd, 0) : -1;
	return NULL;
}

/* Would hang if the new buffer did not wake them. */
TEST_F(hotplug, those_who_wait_see_the_new_cpus_data)
{
	for (int polls = 0; polls < 2; polls++) {
		struct waiter w = { .poll = polls };
		int id;

		ASSERT_EQ(cpu_set_online(self->cpu, false), 0);
		id = chan_open(self->dev, "plug", 0, 0, RELAY_DELIVERY_PACKET);
		ASSERT_GE(id, 0);
		w.fd = file_open("plug", O_RDONLY);
		ASSERT_EQ(pthread_create(&w.thread, NULL, wait_for_data, &w), 0);
		usleep(50 * 1000);
		ASSERT_EQ(cpu_set_online(self->cpu, true), 0);
		EXPECT_EQ(write_on(self->dev, id, self->cpu, 0, 1), 1);
		pthread_join(w.thread, NULL);
		EXPECT_EQ(w.result, 1);
		EXPECT_EQ(chan_close(self->dev, id), 0);
		close(w.fd);
	}
}

TEST_F(hotplug, a_cpu_that_goes_away_leaves_its_data)
{
	int id = chan_open(self->dev, "plug", 0, 0, 0), fd;
	struct stat before, after;
	char path[64];

	ASSERT_GE(id, 0);
	snprintf(path, sizeof(path), MOUNT "/%s", self->file);
	ASSERT_EQ(stat(path, &before), 0);
	fd = file_open(self->file, O_RDONLY | O_NONBLOCK);
	EXPECT_EQ(write_on(self->dev, id, self->cpu, 0, 10), 10);
	ASSERT_EQ(cpu_set_online(self->cpu, false), 0);
	EXPECT_EQ(chan_flush(self->dev, id), 0);
	EXPECT_EQ(read_records(fd, 0), 10);
	EXPECT_EQ(info("plug", self->row, "read", false), 10);

	ASSERT_EQ(cpu_set_online(self->cpu, true), 0);
	ASSERT_EQ(stat(path, &after), 0);
	EXPECT_EQ(before.st_ino, after.st_ino);
	EXPECT_EQ(write_on(self->dev, id, self->cpu, 10, 10), 10);
	EXPECT_EQ(read_records(fd, 10), 10);
	EXPECT_EQ(info("plug", self->row, "produced", false), 20);
	EXPECT_EQ(write_on(self->dev, id, self->cpu, 20, 10), 10);
	ASSERT_EQ(cpu_set_online(self->cpu, false), 0);
	EXPECT_EQ(chan_close(self->dev, id), 0);
	EXPECT_EQ(read_records(fd, 20), 10);
	EXPECT_EQ(read(fd, &id, 1), 0);
	close(fd);
}

TEST_F(hotplug, closed_channels_get_no_buffers)
{
	int64_t used = parameter_get("used_bytes");
	int id, whole;

	ASSERT_EQ(cpu_set_online(self->cpu, false), 0);
	id = chan_open(self->dev, "plug", 0, 0, 0);
	ASSERT_GE(id, 0);
	whole = file_open("plug", O_RDONLY);
	EXPECT_EQ(chan_close(self->dev, id), 0);
	ASSERT_EQ(cpu_set_online(self->cpu, true), 0);
	EXPECT_FALSE(file_exists("plug.d"));
	EXPECT_EQ(read(whole, &id, 1), 0);
	close(whole);
	EXPECT_EQ(parameter_get("used_bytes"), used);
}

struct load {
	pthread_t thread;
	int dev, id, cpu, context;
	uint64_t written, failed;
	bool *stop;
	int error;
};

static void *write_until_stopped(void *arg)
{
	struct load *l = arg;
	uint32_t next = 0;

	if (l->context == RELAYTEST_PROCESS)
		pin_to_cpu(l->cpu);
	while (!__atomic_load_n(l->stop, __ATOMIC_RELAXED)) {
		struct relaytest_pattern p = { .id = l->id, .context = l->context, .count = 50,
					       .cpu = l->context == RELAYTEST_PROCESS ? -1 : l->cpu,
					       .len = RECORD, .writer = l->cpu, .first = next };
		int err = chan_pattern(l->dev, &p);

		/* In an interrupt there, if the CPU is there. */
		if (err == -ENXIO && l->context == RELAYTEST_HARDIRQ) {
			usleep(1000);
			continue;
		}
		if (err) {
			l->error = err;
			break;
		}
		next += 50;
		l->written += p.written;
		l->failed += p.failed;
	}
	return NULL;
}

static void *read_until_end(void *arg)
{
	struct load *l = arg;
	static unsigned char data[RECORD * 1024];
	size_t len = 0;
	ssize_t got;

	while ((got = read(l->id, data + len, sizeof(data) - len)) > 0) {
		size_t at;

		len += got;
		for (at = 0; at + RECORD <= len; at += RECORD, l->written++)
			if (record_check(data + at, RECORD) != RECORD)
				l->error = EBADMSG;
		memmove(data, data + at, len - at);
		len -= at;
	}
	if (got < 0 || len)
		l->error = EBADMSG;
	return NULL;
}

static void *open_and_close(void *arg)
{
	struct load *l = arg;

	while (!__atomic_load_n(l->stop, __ATOMIC_RELAXED)) {
		int id = chan_open(l->dev, "comes/and/goes", 4096, 2, 0);
		DIR *dir = opendir(MOUNT "/plug.d");

		/* Listing holds a directory's lock while it writes to the user's memory. */
		while (dir && readdir(dir))
			;
		if (!dir || closedir(dir) || id < 0 || chan_close(l->dev, id))
			l->error = EBADMSG;
	}
	return NULL;
}

static void under_load(struct __test_metadata *_metadata, int dev, int cpu, uint32_t mode)
{
	bool stop = false;
	/* Writers, a reader of the whole channel, and one who makes other channels meanwhile. */
	struct load load[8] = {};
	int writers = cpu + 1 < 5 ? cpu + 1 : 5, id, info_fd;
	uint64_t written = 0, failed = 0;
	unsigned long long v[6];
	char text[4096] = "", *row;

	ASSERT_EQ(cpu_set_online(cpu, false), 0);
	id = chan_open(dev, "plug", 4096, 4, mode);
	ASSERT_GE(id, 0);
	for (int i = 0; i < writers; i++) {
		/* The last one on the CPU that comes and goes. */
		bool last = i == writers - 1;

		load[i] = (struct load){ .dev = dev, .id = id, .stop = &stop,
					 .cpu = last ? cpu : i,
					 .context = last ? RELAYTEST_HARDIRQ : RELAYTEST_PROCESS };
		ASSERT_EQ(pthread_create(&load[i].thread, NULL, write_until_stopped, &load[i]), 0);
	}
	load[6] = (struct load){ .id = file_open("plug", O_RDONLY) };
	ASSERT_EQ(pthread_create(&load[6].thread, NULL, read_until_end, &load[6]), 0);
	load[7] = (struct load){ .dev = dev, .stop = &stop };
	ASSERT_EQ(pthread_create(&load[7].thread, NULL, open_and_close, &load[7]), 0);
	for (int i = 0; i < 8; i++) {
		ASSERT_EQ(cpu_set_online(cpu, true), 0);
		usleep(20 * 1000);
		ASSERT_EQ(cpu_set_online(cpu, false), 0);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(load[7].thread, NULL);
	EXPECT_EQ(load[7].error, 0);
	for (int i = 0; i < writers; i++) {
		pthread_join(load[i].thread, NULL);
		EXPECT_EQ(load[i].error, 0);
		EXPECT_GT(load[i].written, 0);
		written += load[i].written;
		failed += load[i].failed;
	}
	info_fd = file_open("plug.d/info", O_RDONLY);
	ASSERT_EQ(chan_close(dev, id), 0);
	pthread_join(load[6].thread, NULL);
	EXPECT_EQ(load[6].error, 0);
	ASSERT_GT(read(info_fd, text, sizeof(text) - 1), 0);
	close(info_fd);
	row = strstr(text, "total:");
	ASSERT_NE(row, NULL);
	ASSERT_EQ(sscanf(row, "total: produced %llu %*u read %llu %*u unread %llu %*u "
			 "overwritten %llu %*u full %llu %*u too_big %*u %*u nested %llu",
			 v, v + 1, v + 2, v + 3, v + 4, v + 5), 6);
	EXPECT_EQ(v[0], written);
	EXPECT_EQ(v[1], load[6].written);
	EXPECT_EQ(v[2], 0);
	EXPECT_EQ(v[3], v[0] - v[1]);
	EXPECT_NE(strstr(row, " no_buffer 0 0"), NULL);
	if (mode == RELAY_MODE_NO_OVERWRITE) {
		EXPECT_EQ(v[3], 0);
		EXPECT_EQ(v[4], failed);
	}
	close(load[6].id);
}

TEST_F(hotplug, under_load_overwrite)
{
	under_load(_metadata, self->dev, self->cpu, RELAY_MODE_CONTINUOUS);
}

TEST_F(hotplug, under_load_no_overwrite)
{
	under_load(_metadata, self->dev, self->cpu, RELAY_MODE_NO_OVERWRITE);
}

TEST_HARNESS_MAIN
