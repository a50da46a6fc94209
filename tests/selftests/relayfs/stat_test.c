// SPDX-License-Identifier: GPL-2.0
/* What fstat says of files, and descriptors that stand for the same open file. */

#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include "streamtest.h"

FIXTURE(stat)
{
	struct stream s;
};

FIXTURE_VARIANT(stat)
{
	const struct stream_kind *kind;
};

#define KIND(name, path, bits) \
	static const struct stream_kind name##_kind = { .file = path, .flags = bits }; \
	FIXTURE_VARIANT_ADD(stat, name) { .kind = &name##_kind }

FIXTURE_VARIANT_ADD(stat, buffer) { .kind = &stream_buffer };
FIXTURE_VARIANT_ADD(stat, whole) { .kind = &stream_whole };
FIXTURE_VARIANT_ADD(stat, global) { .kind = &stream_global };
KIND(buffer_tsc, "s.d/cpu0", RELAY_MODE_NO_OVERWRITE | RELAY_TIMESTAMP_TSC);
KIND(whole_tsc, "s", RELAY_MODE_CONTINUOUS | RELAY_TIMESTAMP_TSC);
KIND(buffer_no_clock, "s.d/cpu0", RELAY_MODE_CONTINUOUS | RELAY_TIMESTAMP_NONE);
KIND(global_no_clock, "s", RELAY_USAGE_GLOBAL | RELAY_TIMESTAMP_NONE);
KIND(packet_no_clock, "s.d/cpu0", RELAY_DELIVERY_PACKET | RELAY_TIMESTAMP_NONE);

FIXTURE_SETUP(stat)
{
	ASSERT_EQ(stream_open_as(&self->s, variant->kind, O_RDONLY | O_NONBLOCK), 0);
}

FIXTURE_TEARDOWN(stat)
{
	stream_close(&self->s);
}

TEST_F(stat, it_is_a_stream_without_size)
{
	struct stat st;

	stream_put(&self->s, "abc");
	ASSERT_EQ(fstat(self->s.fd, &st), 0);
	EXPECT_TRUE(S_ISFIFO(st.st_mode));
	EXPECT_EQ(st.st_size, 0);
	EXPECT_EQ(st.st_blocks, 0);
	/* A read of so much is always long enough. */
	EXPECT_EQ(st.st_blksize, SUBBUF);
	EXPECT_EQ(st.st_nlink, 1u);
}

static int64_t ns(struct timespec t)
{
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static int64_t real_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return ns(t);
}

TEST_F(stat, mtime_is_the_last_delivery)
{
	int64_t before, after;
	struct stat st, again;
	char c, path[64];

	ASSERT_EQ(fstat(self->s.fd, &st), 0);
	EXPECT_LE(ns(st.st_mtim), real_ns());
	usleep(20000);
	before = real_ns();
	/* The clock that writers may read can be a little off. */
	EXPECT_LT(ns(st.st_mtim), before - 10000000);
	stream_put(&self->s, "abc");
	EXPECT_EQ(chan_flush(self->s.dev, self->s.id), 0);
	after = real_ns();
	usleep(20000);
	ASSERT_EQ(fstat(self->s.fd, &st), 0);
	EXPECT_GE(ns(st.st_mtim), before - 1000000);
	EXPECT_LE(ns(st.st_mtim), after + 1000000);
	EXPECT_EQ(ns(st.st_mtim), ns(st.st_ctim));
	/* Reading is no change, and nor is looking. */
	EXPECT_EQ(read(self->s.fd, &c, 1), 1);
	ASSERT_EQ(fstat(self->s.fd, &again), 0);
	EXPECT_EQ(ns(again.st_mtim), ns(st.st_mtim));
	/* By its name, too. */
	usleep(20000);
	stream_put(&self->s, "abc");
	snprintf(path, sizeof(path), MOUNT "/%s", variant->kind->file);
	ASSERT_EQ(stat(path, &again), 0);
	EXPECT_GT(ns(again.st_mtim), ns(st.st_mtim));
}

/* What is in no complete sub-buffer is delivered to the first who reads it, or looks. */
TEST_F(stat, mtime_of_what_is_read_in_parts)
{
	int64_t before, after;
	struct stat st, again;
	char b[8];

	for (int round = 0; round < 3; round++) {
		usleep(20000);
		before = real_ns();
		stream_put(&self->s, "abcdef");
		EXPECT_EQ(read(self->s.fd, b, 2), 2);
		after = real_ns();
		usleep(20000);
		ASSERT_EQ(fstat(self->s.fd, &st), 0);
		EXPECT_GE(ns(st.st_mtim), before - 1000000);
		EXPECT_LE(ns(st.st_mtim), after + 1000000);
		EXPECT_EQ(read(self->s.fd, b, 8), 4);
		ASSERT_EQ(fstat(self->s.fd, &again), 0);
		EXPECT_EQ(ns(again.st_mtim), ns(st.st_mtim));

		usleep(20000);
		before = real_ns();
		stream_put(&self->s, "gh");
		ASSERT_EQ(fstat(self->s.fd, &st), 0);
		EXPECT_GE(ns(st.st_mtim), before - 1000000);
		EXPECT_LE(ns(st.st_mtim), real_ns() + 1000000);
		usleep(20000);
		EXPECT_EQ(read(self->s.fd, b, 8), 2);
		ASSERT_EQ(fstat(self->s.fd, &again), 0);
		EXPECT_EQ(ns(again.st_mtim), ns(st.st_mtim));
	}
}

TEST_F(stat, duplicates_share_position_and_flags)
{
	int other = dup(self->s.fd);
	char b[8];

	ASSERT_EQ(ioctl(self->s.fd, RELAY_IOC_OBSERVE), 0);
	stream_put(&self->s, "abcdef");
	EXPECT_EQ(read(self->s.fd, b, 2), 2);
	EXPECT_EQ(read(other, b, 2), 2);
	EXPECT_EQ(memcmp(b, "cd", 2), 0);
	EXPECT_EQ(fcntl(self->s.fd, F_SETFL, 0), 0);
	EXPECT_EQ(fcntl(other, F_GETFL) & O_NONBLOCK, 0);
	close(self->s.fd);
	EXPECT_EQ(read(other, b, 2), 2);
	EXPECT_EQ(memcmp(b, "ef", 2), 0);
	self->s.fd = other;
}

TEST_F(stat, a_child_shares_the_position)
{
	int status;
	char b[8];
	pid_t pid;

	ASSERT_EQ(ioctl(self->s.fd, RELAY_IOC_OBSERVE), 0);
	stream_put(&self->s, "abcd");
	pid = fork();
	if (!pid)
		_exit(read(self->s.fd, b, 2) == 2 && !memcmp(b, "ab", 2) ? 0 : 1);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(read(self->s.fd, b, 8), 2);
	EXPECT_EQ(memcmp(b, "cd", 2), 0);
}

static int pass_descriptor(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = "", c = 'x';
	struct iovec v = { &c, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };

	if (fd < 0) {
		if (recvmsg(socket, &m, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&m))
			return -1;
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
		return fd;
	}
	CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
	CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
	CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &fd, sizeof(fd));
	return sendmsg(socket, &m, 0) == 1 ? 0 : -1;
}

TEST_F(stat, a_descriptor_that_is_passed_on_is_the_same_file)
{
	int sockets[2], other;
	char b[8];

	ASSERT_EQ(ioctl(self->s.fd, RELAY_IOC_OBSERVE), 0);
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	stream_put(&self->s, "abcd");
	ASSERT_EQ(pass_descriptor(sockets[0], self->s.fd), 0);
	EXPECT_EQ(read(self->s.fd, b, 1), 1);
	/* On its way it is nobody's, and keeps the file all the same. */
	close(self->s.fd);
	other = pass_descriptor(sockets[1], -1);
	ASSERT_GE(other, 0);
	EXPECT_EQ(read(other, b, 8), 3);
	EXPECT_EQ(memcmp(b, "bcd", 3), 0);
	self->s.fd = other;
	close(sockets[0]);
	close(sockets[1]);
}

TEST_F(stat, an_exclusive_claim_ends_with_the_last_descriptor)
{
	int excl = file_open(variant->kind->file, O_RDONLY | O_EXCL), other;

	ASSERT_GE(excl, 0);
	other = dup(excl);
	close(excl);
	EXPECT_EQ(file_open(variant->kind->file, O_RDONLY | O_EXCL), -1);
	EXPECT_EQ(errno, EBUSY);
	close(other);
	other = file_open(variant->kind->file, O_RDONLY | O_EXCL);
	EXPECT_GE(other, 0);
	close(other);
}

TEST_F(stat, opened_anew_by_its_descriptor_it_is_another_file)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->s.fd);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(ioctl(fd, RELAY_IOC_OBSERVE), 0);
	EXPECT_EQ(ioctl(self->s.fd, RELAY_IOC_OBSERVE), 0);
	close(fd);
}

TEST_HARNESS_MAIN
