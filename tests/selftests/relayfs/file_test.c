// SPDX-License-Identifier: GPL-2.0
/* What a file is for programs that know nothing of relayfs: read and its relatives, flags. */

#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include "streamtest.h"

FIXTURE(file)
{
	struct stream s;
};

FIXTURE_VARIANT(file)
{
	const struct stream_kind *kind;
};

FIXTURE_VARIANT_ADD(file, buffer) { .kind = &stream_buffer };
FIXTURE_VARIANT_ADD(file, whole) { .kind = &stream_whole };
FIXTURE_VARIANT_ADD(file, global) { .kind = &stream_global };
FIXTURE_VARIANT_ADD(file, overwrite) { .kind = &stream_overwrite };

FIXTURE_SETUP(file)
{
	ASSERT_EQ(stream_open_as(&self->s, variant->kind, O_RDONLY | O_NONBLOCK), 0);
}

FIXTURE_TEARDOWN(file)
{
	stream_close(&self->s);
}

static int unread(int fd)
{
	int n = -1;

	return ioctl(fd, FIONREAD, &n) ? -errno : n;
}

TEST_F(file, fionread_is_what_a_read_would_give)
{
	struct relaytest_pattern p = { .id = self->s.id, .cpu = 0, .len = 64, .count = 5,
				       .discard_every = 2 };
	char b[8 * SUBBUF];

	EXPECT_EQ(unread(self->s.fd), 0);
	EXPECT_EQ(stream_put(&self->s, "hello"), 5);
	EXPECT_EQ(unread(self->s.fd), 5);
	/* Padding at the end of a sub-buffer, and what was discarded, are not read. */
	EXPECT_EQ(chan_flush(self->s.dev, self->s.id), 0);
	EXPECT_EQ(stream_put(&self->s, "world"), 5);
	EXPECT_EQ(unread(self->s.fd), 10);
	ASSERT_EQ(chan_pattern(self->s.dev, &p), 0);
	EXPECT_EQ(unread(self->s.fd), 10 + 2 * 64);
	EXPECT_EQ(read(self->s.fd, b, 3), 3);
	EXPECT_EQ(unread(self->s.fd), 7 + 2 * 64);
	EXPECT_EQ(read(self->s.fd, b, sizeof(b)), 7 + 2 * 64);
	EXPECT_EQ(unread(self->s.fd), 0);
	EXPECT_EQ(stream_put(&self->s, "end"), 3);
	EXPECT_EQ(chan_close(self->s.dev, self->s.id), 0);
	EXPECT_EQ(unread(self->s.fd), 3);
	EXPECT_EQ(ioctl(self->s.fd, FIONREAD, NULL), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(read(self->s.fd, b, sizeof(b)), 3);
	EXPECT_EQ(unread(self->s.fd), 0);
}

TEST_F(file, fionread_of_an_observer_is_its_own)
{
	int other = observer_open(variant->kind->file, O_RDONLY | O_NONBLOCK);
	char b[8];

	ASSERT_GE(other, 0);
	stream_put(&self->s, "abcdef");
	EXPECT_EQ(read(other, b, 2), 2);
	EXPECT_EQ(unread(other), 4);
	EXPECT_EQ(unread(self->s.fd), 6);
	EXPECT_EQ(read(self->s.fd, b, 8), 6);
	EXPECT_EQ(unread(other), 4);
	close(other);
}

TEST_F(file, there_are_no_offsets)
{
	struct iovec v = { .iov_base = &(char){ 0 }, .iov_len = 1 };
	static const int whence[] = { SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE };
	off_t off = 0;
	char c;

	stream_put(&self->s, "ab");
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(lseek(self->s.fd, 0, whence[i]), -1);
		EXPECT_EQ(errno, ESPIPE);
	}
	EXPECT_EQ(pread(self->s.fd, &c, 1, 0), -1);
	EXPECT_EQ(errno, ESPIPE);
	EXPECT_EQ(preadv(self->s.fd, &v, 1, 0), -1);
	EXPECT_EQ(errno, ESPIPE);
	EXPECT_EQ(preadv2(self->s.fd, &v, 1, 0, 0), -1);
	EXPECT_EQ(errno, ESPIPE);
	EXPECT_EQ(sendfile(self->s.dev, self->s.fd, &off, 1), -1);
	EXPECT_EQ(errno, ESPIPE);
	/* An offset of -1 is the file's own place. */
	EXPECT_EQ(preadv2(self->s.fd, &v, 1, -1, 0), 1);
	EXPECT_EQ(read(self->s.fd, &c, 1), 1);
	EXPECT_EQ(c, 'b');
}

TEST_F(file, a_short_read_fills_the_parts_in_order)
{
	char a[3], b[4] = "", c[8] = "";
	struct iovec v[] = { { a, 3 }, { NULL, 0 }, { b, 4 }, { c, 8 } };

	stream_put(&self->s, "abcdef");
	stream_put(&self->s, "ghi");
	EXPECT_EQ(readv(self->s.fd, v, 4), 9);
	EXPECT_EQ(memcmp(a, "abc", 3), 0);
	EXPECT_EQ(memcmp(b, "defg", 4), 0);
	EXPECT_STREQ(c, "hi");
	EXPECT_EQ(readv(self->s.fd, v, 4), -1);
	EXPECT_EQ(errno, EAGAIN);
}

TEST_F(file, a_read_of_nothing_is_nothing)
{
	struct iovec v = { NULL, 0 };
	char c;

	/* Also if there is nothing, and the address is bad. */
	EXPECT_EQ(read(self->s.fd, &c, 0), 0);
	EXPECT_EQ(read(self->s.fd, NULL, 0), 0);
	EXPECT_EQ(readv(self->s.fd, &v, 1), 0);
	EXPECT_EQ(readv(self->s.fd, &v, 0), 0);
	stream_put(&self->s, "x");
	EXPECT_EQ(read(self->s.fd, NULL, 0), 0);
	EXPECT_EQ(unread(self->s.fd), 1);
}

TEST_F(file, a_fault_at_the_first_byte_consumes_nothing)
{
	char *map = half_mapped(), b[16] = "";
	char *constant = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec v[] = { { constant, 4 }, { b, 16 } };

	stream_put(&self->s, "0123456789");
	EXPECT_EQ(read(self->s.fd, map + PAGE, 10), -1);
	EXPECT_EQ(errno, EFAULT);
	/* A page that is there but may not be written; what comes after it does not matter. */
	EXPECT_EQ(read(self->s.fd, constant, 10), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(readv(self->s.fd, v, 2), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(unread(self->s.fd), 10);
	EXPECT_EQ(read(self->s.fd, b, 16), 10);
	EXPECT_STREQ(b, "0123456789");
	munmap(map, PAGE);
	munmap(constant, PAGE);
}

TEST_F(file, a_fault_further_on_gives_what_was_copied)
{
	char *map = half_mapped(), b[2 * SUBBUF];
	struct iovec v[] = { { b, 3 }, { map + PAGE, 4 } };
	size_t at = 0;

	/* Over the end of a sub-buffer, and at each place of the page's end in it. */
	ASSERT_EQ(stream_fill(&self->s, 0, 4000), 4000);
	ASSERT_EQ(stream_fill(&self->s, 4000, 4000), 4000);
	for (size_t n = 1; at + n < 8000; n = n * 3 % 1999) {
		ASSERT_EQ(read(self->s.fd, map + PAGE - n, 8000), (ssize_t)n);
		ASSERT_EQ(stream_wrong(map + PAGE - n, at, n), n);
		at += n;
	}
	if (8000 - at > 3) {
		EXPECT_EQ(readv(self->s.fd, v, 2), 3);
		EXPECT_EQ(stream_wrong(b, at, 3), 3);
		at += 3;
	}
	EXPECT_EQ(read(self->s.fd, b, sizeof(b)), (ssize_t)(8000 - at));
	EXPECT_EQ(stream_wrong(b, at, 8000 - at), 8000 - at);
	munmap(map, PAGE);
}

TEST_F(file, who_must_not_wait_is_told_to_try_again)
{
	struct iovec v = { .iov_base = &(char){ 0 }, .iov_len = 1 };
	int blocking = file_open(variant->kind->file, O_RDONLY);
	char c;

	EXPECT_EQ(read(self->s.fd, &c, 1), -1);
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(preadv2(blocking, &v, 1, -1, RWF_NOWAIT), -1);
	EXPECT_EQ(errno, EAGAIN);
	stream_put(&self->s, "ab");
	EXPECT_EQ(preadv2(blocking, &v, 1, -1, RWF_NOWAIT), 1);
	EXPECT_EQ(read(self->s.fd, &c, 1), 1);
	EXPECT_EQ(c, 'b');
	/* The flag can be changed at any time. */
	EXPECT_EQ(fcntl(blocking, F_SETFL, O_NONBLOCK), 0);
	EXPECT_EQ(read(blocking, &c, 1), -1);
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(fcntl(blocking, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY | O_NONBLOCK);
	close(blocking);
}

TEST_F(file, flags_are_as_they_were_given)
{
	int fd = file_open(variant->kind->file, O_RDONLY | O_EXCL | O_NONBLOCK | O_APPEND);
	int flags = fcntl(fd, F_GETFL);

	ASSERT_GE(fd, 0);
	/* O_EXCL is a matter of opening, and not shown. */
	EXPECT_EQ(flags & (O_ACCMODE | O_NONBLOCK | O_APPEND | O_EXCL | O_ASYNC),
		  O_RDONLY | O_NONBLOCK | O_APPEND);
	close(fd);
	fd = file_open(variant->kind->file, O_RDONLY | O_DIRECT);
	EXPECT_EQ(fd, -1);
	EXPECT_EQ(errno, EINVAL);
	fd = file_open(variant->kind->file, O_RDONLY | O_DIRECTORY);
	EXPECT_EQ(fd, -1);
	EXPECT_EQ(errno, ENOTDIR);
}

TEST_F(file, what_is_for_regular_files_is_refused)
{
	int advice;
	int out = open("/tmp/relayfs_file_test", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ASSERT_GE(out, 0);
	unlink("/tmp/relayfs_file_test");
	stream_put(&self->s, "abc");
	EXPECT_EQ(copy_file_range(self->s.fd, NULL, out, NULL, 3, 0), -1);
	EXPECT_EQ(errno, EINVAL);
	advice = posix_fadvise(self->s.fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	/* Small kernels do not have it. */
	EXPECT_TRUE(advice == ESPIPE || advice == ENOSYS);
	EXPECT_EQ(readahead(self->s.fd, 0, 1), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(ftruncate(self->s.fd, 0), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(fsync(self->s.fd), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(fcntl(self->s.fd, F_GETPIPE_SZ), -1);
	EXPECT_EQ(errno, EBADF);
	EXPECT_EQ(unread(self->s.fd), 3);
	close(out);
}

TEST_F(file, locks_work_and_change_nothing)
{
	int other = file_open(variant->kind->file, O_RDONLY);
	char c;

	EXPECT_EQ(flock(self->s.fd, LOCK_EX), 0);
	EXPECT_EQ(flock(other, LOCK_EX | LOCK_NB), -1);
	EXPECT_EQ(errno, EWOULDBLOCK);
	stream_put(&self->s, "a");
	EXPECT_EQ(read(other, &c, 1), 1);
	close(other);
}

TEST_F(file, only_a_buffers_file_can_be_mapped)
{
	void *map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->s.fd, 0);

	if (strchr(variant->kind->file, '/')) {
		EXPECT_NE(map, MAP_FAILED);
		munmap(map, PAGE);
	} else {
		EXPECT_EQ(map, MAP_FAILED);
		EXPECT_EQ(errno, ENODEV);
	}
}

TEST_HARNESS_MAIN
