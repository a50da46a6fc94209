// SPDX-License-Identifier: GPL-2.0
/* read(2) on a buffer's file. */

#include <pthread.h>
#include <signal.h>
#include "relaytest.h"

FIXTURE(read)
{
	int dev, id, fd;
};

FIXTURE_SETUP(read)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->id = chan_open(self->dev, "r", 4096, 4, RELAY_MODE_NO_OVERWRITE);
	ASSERT_GE(self->id, 0);
	self->fd = file_open("r.d/cpu0", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(read)
{
	close(self->fd);
	close(self->dev);
}

static void set_blocking(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

TEST_F(read, empty_is_eagain_and_no_room_is_nothing)
{
	char c;

	EXPECT_EQ(read(self->fd, &c, 1), -1);
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(read(self->fd, &c, 0), 0);
	chan_write(self->dev, self->id, "x", 1);
	EXPECT_EQ(read(self->fd, &c, 0), 0);
	EXPECT_EQ(read(self->fd, &c, 1), 1);
}

TEST_F(read, partial_sub_buffers_and_short_reads)
{
	char b[16] = "";

	chan_write(self->dev, self->id, "hello ", 6);
	chan_write(self->dev, self->id, "world", 5);
	EXPECT_EQ(read(self->fd, b, 3), 3);
	EXPECT_EQ(read(self->fd, b + 3, 13), 8);
	EXPECT_STREQ(b, "hello world");
	EXPECT_EQ(read(self->fd, b, 1), -1);
	EXPECT_EQ(errno, EAGAIN);
}

TEST_F(read, descriptors_share_one_position)
{
	int other = file_open("r.d/cpu0", O_RDONLY | O_NONBLOCK);
	char b[8];

	chan_write(self->dev, self->id, "abcdef", 6);
	EXPECT_EQ(read(self->fd, b, 2), 2);
	EXPECT_EQ(read(other, b, 2), 2);
	EXPECT_EQ(memcmp(b, "cd", 2), 0);
	close(self->fd);
	EXPECT_EQ(read(other, b, 8), 2);
	EXPECT_EQ(memcmp(b, "ef", 2), 0);
	self->fd = other;
}

TEST_F(read, a_fault_loses_nothing)
{
	char *map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	char b[16] = "";

	ASSERT_NE(map, MAP_FAILED);
	ASSERT_EQ(munmap(map + PAGE, PAGE), 0);
	chan_write(self->dev, self->id, "0123456789", 10);
	EXPECT_EQ(read(self->fd, map + PAGE, 10), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(read(self->fd, map + PAGE - 4, 10), 4);
	EXPECT_EQ(memcmp(map + PAGE - 4, "0123", 4), 0);
	EXPECT_EQ(read(self->fd, b, 16), 6);
	EXPECT_STREQ(b, "456789");
	munmap(map, PAGE);
}

TEST_F(read, seeking_is_espipe)
{
	EXPECT_EQ(lseek(self->fd, 0, SEEK_SET), -1);
	EXPECT_EQ(errno, ESPIPE);
	EXPECT_EQ(pread(self->fd, &self->id, 1, 0), -1);
	EXPECT_EQ(errno, ESPIPE);
}

TEST_F(read, writing_is_refused)
{
	int fd = file_open("r.d/cpu0", O_RDWR);

	EXPECT_EQ(write(self->fd, "x", 1), -1);
	EXPECT_EQ(errno, EBADF);
	if (fd >= 0) {
		EXPECT_EQ(write(fd, "x", 1), -1);
		EXPECT_EQ(errno, EINVAL);
		close(fd);
	}
}

struct late {
	int dev, id, ms;
	const char *what;
};

static void *write_late(void *arg)
{
	struct late *l = arg;

	usleep(l->ms * 1000);
	if (l->what)
		chan_write(l->dev, l->id, l->what, strlen(l->what));
	else
		chan_close(l->dev, l->id);
	return NULL;
}

TEST_F(read, blocks_until_low_rate_data_arrives)
{
	struct late late = { self->dev, self->id, 200, "late" };
	double start = seconds();
	pthread_t thread;
	char b[8];

	set_blocking(self->fd);
	ASSERT_EQ(pthread_create(&thread, NULL, write_late, &late), 0);
	EXPECT_EQ(read(self->fd, b, 8), 4);
	EXPECT_GT(seconds() - start, 0.19);
	EXPECT_LT(seconds() - start, 5.0);
	pthread_join(thread, NULL);
}

TEST_F(read, end_of_file_after_close_and_drain)
{
	char b[16];

	chan_write(self->dev, self->id, "the last", 8);
	EXPECT_EQ(chan_close(self->dev, self->id), 0);
	EXPECT_FALSE(file_exists("r"));
	EXPECT_EQ(read(self->fd, b, 3), 3);
	EXPECT_EQ(read(self->fd, b, 16), 5);
	EXPECT_EQ(read(self->fd, b, 16), 0);
	set_blocking(self->fd);
	EXPECT_EQ(read(self->fd, b, 16), 0);
}

TEST_F(read, close_wakes_a_blocked_reader_with_end_of_file)
{
	struct late late = { self->dev, self->id, 100, NULL };
	pthread_t thread;
	char b[8];

	set_blocking(self->fd);
	ASSERT_EQ(pthread_create(&thread, NULL, write_late, &late), 0);
	EXPECT_EQ(read(self->fd, b, 8), 0);
	pthread_join(thread, NULL);
}

static void on_alarm(int sig)
{
	(void)sig;
}

TEST_F(read, a_signal_interrupts)
{
	struct sigaction action = { .sa_handler = on_alarm };
	char b[8];

	sigaction(SIGALRM, &action, NULL);
	set_blocking(self->fd);
	alarm(1);
	EXPECT_EQ(read(self->fd, b, 8), -1);
	EXPECT_EQ(errno, EINTR);
}

TEST_F(read, flush_ends_a_sub_buffer_and_loses_nothing)
{
	char b[64];

	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(chan_write(self->dev, self->id, "abc", 3), 3);
		EXPECT_EQ(chan_flush(self->dev, self->id), 0);
		EXPECT_EQ(read(self->fd, b, sizeof(b)), 3);
	}
	EXPECT_EQ(info("r", "cpu0", "read", false), 20);
}

TEST_F(read, an_exactly_full_sub_buffer)
{
	struct relaytest_pattern p = { .id = self->id, .cpu = 0, .len = 1024, .count = 4 };
	char b[8192];

	/* Four laps over the end of the ring: every position a reader can stop at. */
	for (int i = 0; i < 16; i++) {
		ASSERT_EQ(chan_pattern(self->dev, &p), 0);
		EXPECT_EQ(p.written, 4);
		EXPECT_EQ(read(self->fd, b, 4096), 4096);
		EXPECT_EQ(read(self->fd, b, 1), -1);
		EXPECT_EQ(errno, EAGAIN);
	}
}

TEST_HARNESS_MAIN
