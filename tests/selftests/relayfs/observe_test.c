// SPDX-License-Identifier: GPL-2.0
/* Observers: descriptors that read without consuming. */

#include <pthread.h>
#include "relaytest.h"

#define PLAIN	(O_RDONLY | O_NONBLOCK)

FIXTURE(observe)
{
	int dev, id;
};

FIXTURE_VARIANT(observe)
{
	const char *file;
	uint32_t mode;
};

FIXTURE_VARIANT_ADD(observe, buffer_overwrite)
{
	.file = "o.d/cpu0", .mode = RELAY_MODE_CONTINUOUS,
};

FIXTURE_VARIANT_ADD(observe, buffer_no_overwrite)
{
	.file = "o.d/cpu0", .mode = RELAY_MODE_NO_OVERWRITE,
};

FIXTURE_VARIANT_ADD(observe, whole_overwrite)
{
	.file = "o", .mode = RELAY_MODE_CONTINUOUS,
};

FIXTURE_VARIANT_ADD(observe, whole_no_overwrite)
{
	.file = "o", .mode = RELAY_MODE_NO_OVERWRITE,
};

FIXTURE_SETUP(observe)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->id = chan_open(self->dev, "o", 4096, 4, variant->mode);
	ASSERT_GE(self->id, 0);
}

FIXTURE_TEARDOWN(observe)
{
	close(self->dev);
}

TEST_F(observe, only_before_the_first_read_and_once)
{
	int plain = file_open(variant->file, PLAIN);
	int excl = file_open(variant->file, PLAIN | O_EXCL);
	char c;

	EXPECT_EQ(ioctl(excl, RELAY_IOC_OBSERVE), -1);
	EXPECT_EQ(errno, EBUSY);
	close(excl);
	EXPECT_EQ(read(plain, &c, 1), -1);
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(ioctl(plain, RELAY_IOC_OBSERVE), -1);
	EXPECT_EQ(errno, EBUSY);
	close(plain);
	plain = observer_open(variant->file, PLAIN);
	ASSERT_GE(plain, 0);
	EXPECT_EQ(ioctl(plain, RELAY_IOC_OBSERVE), -1);
	EXPECT_EQ(errno, EBUSY);
	close(plain);
}

TEST_F(observe, unknown_ioctls_and_bad_addresses)
{
	int fd = file_open(variant->file, PLAIN);

	EXPECT_EQ(ioctl(fd, _IO(RELAY_IOC_MAGIC, 200)), -1);
	EXPECT_EQ(errno, ENOTTY);
	EXPECT_EQ(ioctl(fd, _IO('r', 0)), -1);
	EXPECT_EQ(errno, ENOTTY);
	EXPECT_EQ(ioctl(fd, RELAY_IOC_GET_LOST, NULL), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(ioctl(fd, RELAY_IOC_SET_WATERMARK, NULL), -1);
	EXPECT_EQ(errno, EFAULT);
	close(fd);
}

TEST_F(observe, each_reader_gets_everything)
{
	int fds[4];
	char b[8];

	fds[0] = file_open(variant->file, PLAIN);
	for (int i = 1; i < 4; i++)
		fds[i] = observer_open(variant->file, PLAIN);
	for (int round = 0; round < 3; round++) {
		EXPECT_EQ(chan_write(self->dev, self->id, "abc", 3), 3);
		for (int i = 0; i < 4; i++) {
			memset(b, 0, sizeof(b));
			EXPECT_EQ(read(fds[i], b, 2), 2);
			EXPECT_EQ(read(fds[i], b + 2, 6), 1);
			EXPECT_STREQ(b, "abc");
			EXPECT_EQ(read(fds[i], b, 8), -1);
			EXPECT_EQ(errno, EAGAIN);
		}
	}
	EXPECT_EQ(info("o", "cpu0", "read", false), 3);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

TEST_F(observe, consumes_nothing)
{
	int fd = observer_open(variant->file, PLAIN);
	char b[8];

	EXPECT_EQ(chan_write(self->dev, self->id, "abc", 3), 3);
	EXPECT_EQ(read(fd, b, 8), 3);
	EXPECT_EQ(info("o", "total", "read", true), 0);
	EXPECT_EQ(info("o", "total", "unread", true), 3);
	close(fd);
}

/* What the consumer has read may still be there. */
TEST_F(observe, starts_at_the_oldest_data)
{
	int plain = file_open(variant->file, PLAIN), fd;
	char b[8];

	EXPECT_EQ(chan_write(self->dev, self->id, "abc", 3), 3);
	EXPECT_EQ(read(plain, b, 8), 3);
	EXPECT_EQ(chan_write(self->dev, self->id, "def", 3), 3);
	fd = observer_open(variant->file, PLAIN);
	EXPECT_EQ(read(fd, b, 8), 6);
	EXPECT_EQ(memcmp(b, "abcdef", 6), 0);
	close(fd);
	close(plain);
}

TEST_F(observe, duplicates_and_children_share_a_position)
{
	int fd = observer_open(variant->file, PLAIN), copy = dup(fd), status;
	char b[8];
	pid_t pid;

	EXPECT_EQ(chan_write(self->dev, self->id, "abcd", 4), 4);
	EXPECT_EQ(read(fd, b, 1), 1);
	EXPECT_EQ(read(copy, b, 1), 1);
	EXPECT_EQ(b[0], 'b');
	pid = fork();
	if (!pid)
		_exit(read(fd, b, 1) == 1 && b[0] == 'c' ? 0 : 1);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(read(fd, b, 8), 1);
	EXPECT_EQ(b[0], 'd');
	close(fd);
	close(copy);
}

static int poll_now(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0 ? p.revents : 0;
}

TEST_F(observe, polls_and_ends_by_its_own_position)
{
	int plain = file_open(variant->file, PLAIN), fd = observer_open(variant->file, PLAIN);
	char b[8];

	EXPECT_EQ(poll_now(fd), 0);
	EXPECT_EQ(chan_write(self->dev, self->id, "abc", 3), 3);
	EXPECT_EQ(read(plain, b, 8), 3);
	EXPECT_EQ(poll_now(plain), 0);
	EXPECT_EQ(poll_now(fd), POLLIN);
	EXPECT_EQ(read(fd, b, 1), 1);
	EXPECT_EQ(poll_now(fd), POLLIN);
	EXPECT_EQ(chan_close(self->dev, self->id), 0);
	EXPECT_EQ(poll_now(plain), POLLHUP);
	EXPECT_EQ(read(plain, b, 8), 0);
	EXPECT_EQ(poll_now(fd), POLLIN);
	EXPECT_EQ(read(fd, b, 8), 2);
	EXPECT_EQ(poll_now(fd), POLLHUP);
	EXPECT_EQ(read(fd, b, 8), 0);
	close(fd);
	close(plain);
}

static void *write_late(void *arg)
{
	int *dev_and_id = arg;

	usleep(100 * 1000);
	chan_write(dev_and_id[0], dev_and_id[1], "late", 4);
	return NULL;
}

TEST_F(observe, waits_for_data)
{
	int fd = observer_open(variant->file, O_RDONLY);
	int dev_and_id[2] = { self->dev, self->id };
	pthread_t thread;
	char b[8];

	ASSERT_EQ(pthread_create(&thread, NULL, write_late, dev_and_id), 0);
	EXPECT_EQ(read(fd, b, 8), 4);
	pthread_join(thread, NULL);
	close(fd);
}

/* An observer in the middle of a record takes one sub-buffer away from the writers, not more. */
TEST_F(observe, writers_do_not_wait_for_it)
{
	int fd = observer_open(variant->file, PLAIN), plain = file_open(variant->file, PLAIN);
	struct relaytest_pattern p = { .id = self->id, .cpu = 0, .len = 1024, .count = 4,
				       .writer = 1 };
	unsigned char b[4096];

	for (int i = 0; i < 32; i++) {
		ASSERT_EQ(chan_pattern(self->dev, &p), 0);
		EXPECT_EQ(p.failed, 0);
		EXPECT_EQ(read(plain, b, sizeof(b)), 4096);
		if (i == 0)
			EXPECT_EQ(read(fd, b, 10), 10);
	}
	/* The record is whole all the same, and so is the sub-buffer it is in. */
	EXPECT_EQ(read(fd, b + 10, 1014), 1014);
	EXPECT_EQ(record_check(b, 1024), 1024);
	EXPECT_EQ(read(fd, b, 3072), 3072);
	EXPECT_EQ(record_check(b, 1024), 1024);
	close(fd);
	close(plain);
}

/*
 * Observers in all sub-buffers leave no room; closed, they are in nobody's way. A consumer must
 * pass what was skipped for them, though there is nothing in it.
 */
TEST_F(observe, closing_lets_go)
{
	struct relaytest_pattern p = { .id = self->id, .cpu = 0, .len = 1024, .count = 16 };
	int plain = file_open(variant->file, PLAIN), fds[4];
	unsigned char b[4 * 4096];

	ASSERT_EQ(chan_pattern(self->dev, &p), 0);
	EXPECT_EQ(read(plain, b, sizeof(b)), 4 * 4096);
	for (int i = 0; i < 4; i++) {
		fds[i] = observer_open(variant->file, PLAIN);
		EXPECT_EQ(read(fds[i], b, i * 4096 + 10), i * 4096 + 10);
	}
	EXPECT_EQ(chan_write(self->dev, self->id, "x", 1),
		  variant->mode == RELAY_MODE_CONTINUOUS ? -EBUSY : -ENOSPC);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	EXPECT_EQ(read(plain, b, sizeof(b)), -1);
	EXPECT_EQ(chan_write(self->dev, self->id, "x", 1), 1);
	EXPECT_EQ(read(plain, b, sizeof(b)), 1);
	close(plain);
}

static struct relayfs_lost get_lost(int fd)
{
	struct relayfs_lost lost = { ~0ull, ~0ull };

	ioctl(fd, RELAY_IOC_GET_LOST, &lost);
	return lost;
}

/* The run a reader is in is not lost, whatever happens around it. */
TEST_F(observe, counts_what_it_missed)
{
	int fd = observer_open(variant->file, PLAIN), plain = file_open(variant->file, PLAIN);
	struct relaytest_pattern p = { .id = self->id, .cpu = 0, .len = 1024, .count = 4 };
	unsigned char b[4096];
	uint64_t read_bytes = 0;
	ssize_t got;

	if (variant->mode == RELAY_MODE_NO_OVERWRITE)
		SKIP(return, "nothing is overwritten");
	ASSERT_EQ(chan_pattern(self->dev, &p), 0);
	EXPECT_EQ(get_lost(fd).records, 0);
	EXPECT_EQ(read(fd, b, 10), 10);
	for (int i = 0; i < 9; i++)
		ASSERT_EQ(chan_pattern(self->dev, &p), 0);
	/* Of ten sub-buffers one is held, and the newest two or three others are there. */
	EXPECT_GE(get_lost(fd).records, 6 * 4);
	EXPECT_LE(get_lost(fd).records, 7 * 4);
	EXPECT_EQ(get_lost(fd).bytes, get_lost(fd).records * 1024);
	for (read_bytes = 10; (got = read(fd, b, sizeof(b))) > 0; read_bytes += got)
		;
	EXPECT_EQ(read_bytes + get_lost(fd).bytes, 40 * 1024);
	EXPECT_EQ(read_bytes / 1024 + get_lost(fd).records, 40);
	for (read_bytes = 0; (got = read(plain, b, sizeof(b))) > 0; read_bytes += got)
		;
	EXPECT_EQ(read_bytes + get_lost(plain).bytes, 40 * 1024);
	EXPECT_EQ(read_bytes / 1024 + get_lost(plain).records, 40);
	EXPECT_EQ((int64_t)get_lost(plain).records, info("o", "total", "overwritten", false));
	close(fd);
	close(plain);
}

/* Observers and consumers at once, under writers that lap them. */

#define CALLS	20
#define COUNT	400

struct reader {
	pthread_t thread;
	int fd;
	uint32_t read_size;
	uint64_t records, bytes, torn;
	struct relayfs_lost lost;
};

static void *read_all(void *arg)
{
	struct reader *r = arg;
	unsigned char *stream = malloc(r->read_size + 4096);
	size_t len = 0, at, size;
	ssize_t got;

	while ((got = read(r->fd, stream + len, r->read_size)) > 0) {
		len += got;
		for (at = 0; (size = record_check(stream + at, len - at)); at += size) {
			r->records++;
			r->bytes += size;
		}
		if (len - at >= 400)
			break;
		memmove(stream, stream + at, len - at);
		len -= at;
	}
	r->torn = len || got < 0;
	r->lost = get_lost(r->fd);
	free(stream);
	return NULL;
}

struct writer {
	pthread_t thread;
	int dev, id, cpu;
	uint64_t written, bytes;
};

static void *write_all(void *arg)
{
	struct writer *w = arg;

	pin_to_cpu(w->cpu);
	for (int i = 0; i < CALLS; i++) {
		struct relaytest_pattern p = { .id = w->id, .cpu = -1, .count = COUNT,
					       .len = 16 + (i * 37 + w->cpu) % 300,
					       .discard_every = i % 3 ? 0 : 5,
					       .writer = w->cpu, .first = i * COUNT };

		if (chan_pattern(w->dev, &p))
			break;
		w->written += p.written;
		w->bytes += (uint64_t)p.written * p.len;
	}
	return NULL;
}

TEST_F(observe, read_and_lost_are_all)
{
	static const uint32_t read_size[] = { 65536, 100, 4096, 65536 };
	struct writer writers[64] = {};
	struct reader readers[4] = {};
	uint64_t written = 0, bytes = 0;
	bool whole = !strchr(variant->file, '.');
	int n = whole ? cpus() : 1;

	for (int i = 0; i < 4; i++) {
		readers[i].read_size = read_size[i];
		readers[i].fd = i ? observer_open(variant->file, O_RDONLY) :
				    file_open(variant->file, O_RDONLY);
		ASSERT_GE(readers[i].fd, 0);
		ASSERT_EQ(pthread_create(&readers[i].thread, NULL, read_all, &readers[i]), 0);
	}
	for (int i = 0; i < n; i++) {
		writers[i] = (struct writer){ .dev = self->dev, .id = self->id, .cpu = i };
		ASSERT_EQ(pthread_create(&writers[i].thread, NULL, write_all, &writers[i]), 0);
	}
	for (int i = 0; i < n; i++) {
		pthread_join(writers[i].thread, NULL);
		written += writers[i].written;
		bytes += writers[i].bytes;
	}
	EXPECT_GT(written, 0);
	ASSERT_EQ(chan_close(self->dev, self->id), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(readers[i].thread, NULL);
		EXPECT_EQ(readers[i].torn, 0);
		EXPECT_GT(readers[i].records, 0);
		EXPECT_EQ(readers[i].records + readers[i].lost.records, written);
		EXPECT_EQ(readers[i].bytes + readers[i].lost.bytes, bytes);
		close(readers[i].fd);
	}
	if (variant->mode == RELAY_MODE_NO_OVERWRITE)
		EXPECT_EQ(readers[0].lost.records, 0);
}

TEST_HARNESS_MAIN
