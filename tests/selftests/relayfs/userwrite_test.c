// SPDX-License-Identifier: GPL-2.0
/* What users write: one record each, whole or not at all; and the user_deliver callback. */

#include <sys/sendfile.h>

#include "userwrite_rig.h"

TEST_F(userwrite, each_write_is_a_record_and_the_client_is_told)
{
	for (int i = 1; i <= 5; i++) {
		struct cb_event event;

		memset(record, i, sizeof(record));
		ASSERT_EQ(write(self->fd, record, 100 * i), 100 * i);
		EXPECT_EQ(cb_count(self->dev, CB_USER_DELIVER), i);
		event = cb_event(self->dev, CB_USER_DELIVER, i - 1);
		EXPECT_EQ(event.arg[2], 100 * i);
		EXPECT_EQ(event.context, CB_IN_TASK | CB_MAY_SLEEP);
		EXPECT_EQ(event.chan, 1);
		ASSERT_GE(cb_delivered(self->dev, in, sizeof(in)), 100 * i);
		EXPECT_EQ(memcmp(in + event.arg[1], record, 100 * i), 0);
		EXPECT_EQ(info("w", "cpu0", "produced", false), i);
		EXPECT_EQ(read(self->fd, in, sizeof(in)), 100 * i);
		EXPECT_EQ(memcmp(in, record, 100 * i), 0);
	}
}

TEST_F(userwrite, nothing_is_nothing)
{
	EXPECT_EQ(write(self->fd, record, 0), 0);
	EXPECT_EQ(write(self->fd, NULL, 0), 0);
	EXPECT_EQ(writev(self->fd, &(struct iovec){ record, 0 }, 1), 0);
	EXPECT_EQ(cb(self->dev, CB_COUNT), 0);
	EXPECT_EQ(info("w", "cpu0", "produced", false), 0);
}

TEST_F(userwrite, parts_are_gathered)
{
	struct iovec parts[] = { { "one", 3 }, { record, 0 }, { " and ", 5 }, { "two", 3 } };

	EXPECT_EQ(writev(self->fd, parts, 4), 11);
	EXPECT_EQ(info("w", "cpu0", "produced", false), 1);
	EXPECT_EQ(cb_count(self->dev, CB_USER_DELIVER), 1);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 11);
	EXPECT_EQ(memcmp(in, "one and two", 11), 0);
}

TEST_F(userwrite, the_longest_and_one_more)
{
	EXPECT_EQ(write(self->fd, record, SUBBUF + 1), -1);
	EXPECT_EQ(errno, EMSGSIZE);
	EXPECT_EQ(write(self->fd, record, SUBBUF), SUBBUF);
	EXPECT_EQ(info("w", "cpu0", "produced", true), SUBBUF);
	EXPECT_EQ(info("w", "cpu0", "too_big", false), 0);
	EXPECT_EQ(cb_count(self->dev, CB_USER_DELIVER), 1);
}

TEST_F(userwrite, a_bad_address_writes_nothing)
{
	char *map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0);

	ASSERT_NE(map, MAP_FAILED);
	munmap(map + PAGE, PAGE);
	EXPECT_EQ(write(self->fd, map + PAGE - 50, 100), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(write(self->fd, map + PAGE, 100), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(info("w", "cpu0", "produced", false), 0);
	EXPECT_EQ(cb(self->dev, CB_COUNT), 0);
	munmap(map, PAGE);
}

TEST_F(userwrite, a_bad_part_behind_good_ones_leaves_nothing_behind)
{
	char *map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0);
	struct iovec parts[] = { { "good", 4 }, { map + PAGE - 8, 16 }, { "good", 4 } };

	ASSERT_NE(map, MAP_FAILED);
	munmap(map + PAGE, PAGE);
	EXPECT_EQ(writev(self->fd, parts, 3), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(info("w", "cpu0", "produced", false), 0);
	EXPECT_EQ(cb_count(self->dev, CB_USER_DELIVER), 0);
	EXPECT_EQ(write(self->fd, "next", 4), 4);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 4);
	EXPECT_EQ(memcmp(in, "next", 4), 0);
	munmap(map, PAGE);
}

TEST_F(userwrite, pages_of_a_pipe_are_no_records)
{
	int pipes[2], file = open("/proc/self/exe", O_RDONLY);
	char left[16];

	ASSERT_EQ(pipe(pipes), 0);
	ASSERT_EQ(write(pipes[1], "in a pipe", 9), 9);
	EXPECT_EQ(splice(pipes[0], NULL, self->fd, NULL, 9, 0), -1);
	EXPECT_EQ(errno, EINVAL);
	/* It is still there, for who reads and writes it. */
	EXPECT_EQ(read(pipes[0], left, sizeof(left)), 9);
	EXPECT_EQ(write(self->fd, left, 9), 9);
	EXPECT_EQ(sendfile(self->fd, file, NULL, 16), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(info("w", "cpu0", "produced", false), 1);
	close(file);
	close(pipes[0]);
	close(pipes[1]);
}

TEST_F(userwrite, observers_and_who_is_alone_write_as_well)
{
	int observer = observer_open("w", O_RDWR | O_NONBLOCK), alone;

	ASSERT_GE(observer, 0);
	EXPECT_EQ(write(observer, "one", 3), 3);
	EXPECT_EQ(read(observer, in, sizeof(in)), 3);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 3);
	close(self->fd);
	self->fd = -1;
	alone = file_open("w", O_RDWR | O_EXCL | O_NONBLOCK);
	ASSERT_GE(alone, 0);
	EXPECT_EQ(write(observer, "two", 3), 3);
	EXPECT_EQ(write(alone, "three", 5), 5);
	EXPECT_EQ(read(alone, in, sizeof(in)), 8);
	EXPECT_EQ(memcmp(in, "twothree", 8), 0);
	close(observer);
	close(alone);
}

TEST_F(userwrite, positions_of_a_write_do_not_matter)
{
	EXPECT_EQ(pwrite(self->fd, "x", 1, 0), -1);
	EXPECT_EQ(errno, ESPIPE);
	EXPECT_EQ(pwritev2(self->fd, &(struct iovec){ "here", 4 }, 1, -1, 0), 4);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 4);
}

TEST_F(userwrite, only_the_whole_file_of_a_channel_that_wants_it)
{
	static const struct {
		const char *name;
		mode_t mode;
	} files[] = { { "w", 0666 }, { "w.d/cpu0", 0444 }, { "w.d/info", 0444 }, { "w.d", 0555 } };
	int dev = callbacks_device(), fd;
	struct stat st;

	for (int i = 0; i < 4; i++) {
		fd = file_open(files[i].name, O_RDONLY);
		ASSERT_EQ(fstat(fd, &st), 0);
		EXPECT_EQ(st.st_mode & 0777, files[i].mode);
		close(fd);
	}
	/* Root may open what it may not write. */
	fd = file_open("w.d/cpu0", O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(write(fd, record, 1), -1);
	EXPECT_EQ(errno, EINVAL);
	close(fd);
	ASSERT_EQ(cb_open(dev, "r", (struct cb_open){ .subbuf_size = SUBBUF }), 0);
	fd = file_open("r", O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(write(fd, record, 1), -1);
	EXPECT_EQ(errno, EINVAL);
	close(fd);
	EXPECT_EQ(cb_open(dev, "x", (struct cb_open){ .mode = 0777 }), -EBUSY);
	close(dev);
	dev = callbacks_device();
	EXPECT_EQ(cb_open(dev, "x", (struct cb_open){ .mode = 0777 }), -EINVAL);
	close(dev);
}

TEST_F(userwrite, a_shell_can_redirect_to_it)
{
	int fd = file_open("w", O_WRONLY | O_TRUNC | O_CREAT);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(write(fd, "hello\n", 6), 6);
	close(fd);
	fd = file_open("w", O_WRONLY | O_TRUNC | O_APPEND);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(write(fd, "world\n", 6), 6);
	EXPECT_EQ(ftruncate(fd, 0), -1);
	close(fd);
	EXPECT_EQ(truncate(MOUNT "/w", 0), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 12);
	EXPECT_EQ(memcmp(in, "hello\nworld\n", 12), 0);
}

TEST_F(userwrite, who_must_not_wait_is_told_to_try_again)
{
	int n = fill(self->fd), fd = file_open("w", O_WRONLY);

	EXPECT_EQ(n, BUFFER / 512);
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(pwritev2(fd, &(struct iovec){ record, 512 }, 1, -1, RWF_NOWAIT), -1);
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(cb_count(self->dev, CB_USER_DELIVER), n);
	/* They were told, so nothing is lost. */
	EXPECT_EQ(info("w", "cpu0", "full", false), 0);
	EXPECT_EQ(read(self->fd, in, SUBBUF), SUBBUF);
	EXPECT_EQ(pwritev2(fd, &(struct iovec){ record, 512 }, 1, -1, RWF_NOWAIT), 512);
	close(fd);
}

TEST_HARNESS_MAIN
