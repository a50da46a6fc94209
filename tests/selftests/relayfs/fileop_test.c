// SPDX-License-Identifier: GPL-2.0
/* What users do with the files, as the client is told of it; and ioctls that go to the client. */

#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "callbacks.h"

#define SUBBUF	4096

enum { OPEN, CLOSE, MAP, UNMAP };

FIXTURE(fileop)
{
	int dev;
};

FIXTURE_SETUP(fileop)
{
	self->dev = callbacks_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(cb_open(self->dev, "f", (struct cb_open){
		.subbuf_size = SUBBUF, .n_subbufs = 4, .wanted = CB_ALL }), 0);
}

FIXTURE_TEARDOWN(fileop)
{
	close(self->dev);
}

/* Waits until so many callbacks run. */
static void await_inside(int dev, int count)
{
	while (cb(dev, CB_INSIDE) != count)
		usleep(1000);
}

#define behave_(...) ASSERT_EQ(cb_behave(self->dev, (struct cb_behave){ __VA_ARGS__ }), 0)
#define ops_(op) cb_count_arg(self->dev, CB_FILEOP, op)

TEST_F(fileop, every_open_has_its_close)
{
	static const char * const names[] = { "f", "f.d/cpu0" };
	int fds[4], count = 0;

	for (int i = 0; i < 4; i++) {
		fds[i] = file_open(names[i % 2], O_RDONLY);
		ASSERT_GE(fds[i], 0);
	}
	EXPECT_EQ(ops_(OPEN), 4);
	EXPECT_EQ(ops_(CLOSE), 0);
	for (int i = 3; i >= 0; i--) {
		/* Descriptors of one open file are one. */
		int again = dup(fds[i]);

		close(fds[i]);
		EXPECT_EQ(ops_(CLOSE), count);
		close(again);
		EXPECT_EQ(ops_(CLOSE), ++count);
		EXPECT_EQ(cb_event(self->dev, CB_FILEOP, 3 + count).arg[1], i + 1);
	}
	for (int i = 0; i < 8; i++) {
		struct cb_event event = cb_event(self->dev, CB_FILEOP, i);

		EXPECT_EQ(event.context, CB_IN_TASK | CB_MAY_SLEEP);
		EXPECT_EQ(event.chan, 1);
	}
}

TEST_F(fileop, an_open_file_ends_with_its_last_descriptor_in_any_process)
{
	int stays = open(MOUNT "/f", O_RDONLY), ends = file_open("f", O_RDONLY), status = -1;
	int go[2];
	pid_t child;

	ASSERT_EQ(pipe2(go, O_CLOEXEC), 0);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		/* Goes on until it is told, with what exec() leaves it. */
		dup2(go[0], 0);
		execl("/bin/sh", "sh", "-c", "read -r line", NULL);
		_exit(1);
	}
	close(go[0]);
	EXPECT_EQ(ops_(OPEN), 2);
	close(ends);
	close(stays);
	/* The child had both, and lost one when it became another program. */
	while (ops_(CLOSE) == 0)
		usleep(1000);
	usleep(50000);
	EXPECT_EQ(ops_(CLOSE), 1);
	EXPECT_EQ(cb_event(self->dev, CB_FILEOP, 2).arg[1], 2);
	close(go[1]);
	waitpid(child, &status, 0);
	while (ops_(CLOSE) == 1)
		usleep(1000);
	EXPECT_EQ(ops_(OPEN), 2);
	EXPECT_EQ(cb_event(self->dev, CB_FILEOP, 3).arg[1], 1);
}

TEST_F(fileop, a_file_that_is_passed_on_stays_open)
{
	char space[CMSG_SPACE(sizeof(int))] = {}, byte = 0;
	struct iovec io = { &byte, 1 };
	struct msghdr message = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = space,
				  .msg_controllen = sizeof(space) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	int fd = file_open("f", O_RDONLY), ends[2];

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(int));
	ASSERT_EQ(sendmsg(ends[0], &message, 0), 1);
	close(fd);
	/* It is on its way. */
	EXPECT_EQ(ops_(CLOSE), 0);
	ASSERT_EQ(recvmsg(ends[1], &message, MSG_CMSG_CLOEXEC), 1);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	EXPECT_EQ(ops_(OPEN), 1);
	EXPECT_EQ(ops_(CLOSE), 0);
	close(fd);
	EXPECT_EQ(ops_(CLOSE), 1);
	close(ends[0]);
	close(ends[1]);
}

TEST_F(fileop, exec_ends_a_mapping)
{
	int fd = file_open("f.d/cpu0", O_RDONLY), status = -1;
	pid_t child = fork();

	ASSERT_GE(child, 0);
	if (!child) {
		mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
		execl("/bin/sh", "sh", "-c", "exit 3", NULL);
		_exit(1);
	}
	waitpid(child, &status, 0);
	EXPECT_EQ(WEXITSTATUS(status), 3);
	EXPECT_EQ(ops_(MAP), 1);
	EXPECT_EQ(ops_(UNMAP), 1);
	EXPECT_EQ(ops_(CLOSE), 0);
	close(fd);
	EXPECT_EQ(ops_(CLOSE), 1);
}

TEST_F(fileop, info_is_not_the_clients)
{
	close(file_open("f.d/info", O_RDONLY));
	EXPECT_EQ(cb_count(self->dev, CB_FILEOP), 0);
}

TEST_F(fileop, a_refused_open_has_no_close)
{
	behave_(.refuse_open = -EBUSY);
	EXPECT_EQ(file_open("f", O_RDONLY), -1);
	EXPECT_EQ(errno, EBUSY);
	EXPECT_EQ(file_open("f.d/cpu0", O_RDONLY), -1);
	EXPECT_EQ(errno, EBUSY);
	/* What is no errno refuses all the same. */
	behave_(.refuse_open = 1);
	EXPECT_EQ(file_open("f", O_RDONLY), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(ops_(OPEN), 3);
	EXPECT_EQ(ops_(CLOSE), 0);
	behave_();
	/* What it was opened as is undone. */
	close(file_open("f", O_RDONLY | O_EXCL));
	close(file_open("f.d/cpu0", O_RDONLY | O_EXCL));
	EXPECT_EQ(ops_(CLOSE), 2);
}

TEST_F(fileop, an_open_we_refuse_is_not_told)
{
	int fd = file_open("f", O_RDONLY | O_EXCL);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(file_open("f.d/cpu0", O_RDONLY | O_EXCL), -1);
	EXPECT_EQ(errno, EBUSY);
	EXPECT_EQ(ops_(OPEN), 1);
	close(fd);
	EXPECT_EQ(ops_(CLOSE), 1);
}

static void *close_file(void *arg)
{
	close(*(int *)arg);
	return NULL;
}

static void *open_alone(void *arg)
{
	return (void *)(long)file_open(arg, O_RDONLY | O_EXCL);
}

TEST_F(fileop, who_is_told_of_a_close_can_let_another_have_it_alone)
{
	int fd = file_open("f", O_RDONLY | O_EXCL);
	pthread_t closer, opener;
	void *result;
	bool over;

	ASSERT_GE(fd, 0);
	behave_(.hold = 1 << CB_FILEOP);
	ASSERT_EQ(pthread_create(&closer, NULL, close_file, &fd), 0);
	await_inside(self->dev, 1);
	ASSERT_EQ(pthread_create(&opener, NULL, open_alone, "f"), 0);
	/* It comes to ask the client, while that still hears of the close. */
	do {
		over = !pthread_tryjoin_np(opener, &result);
	} while (!over && cb(self->dev, CB_INSIDE) != 2);
	EXPECT_FALSE(over);
	behave_();
	if (!over)
		pthread_join(opener, &result);
	pthread_join(closer, NULL);
	EXPECT_GE((long)result, 0);
	close((long)result);
}

/* Bytes of a whole mapping. */
static size_t whole(int fd)
{
	const struct relayfs_meta *meta = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	size_t len = 0;

	if (meta != MAP_FAILED) {
		len = meta->data_offset + meta->subbuf_size * meta->n_subbufs;
		munmap((void *)meta, PAGE);
	}
	return len;
}

TEST_F(fileop, every_map_has_its_unmap)
{
	int fd = file_open("f.d/cpu0", O_RDONLY);
	size_t len;
	void *maps[2], *room;

	ASSERT_GE(fd, 0);
	len = whole(fd);
	ASSERT_NE(len, 0);
	EXPECT_EQ(ops_(MAP), 1);
	EXPECT_EQ(ops_(UNMAP), 1);
	for (int i = 0; i < 2; i++) {
		maps[i] = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
		ASSERT_NE(maps[i], MAP_FAILED);
	}
	EXPECT_EQ(ops_(MAP), 3);
	/* No part of it goes; moved it is the same. */
	EXPECT_EQ(munmap(maps[0], PAGE), -1);
	EXPECT_EQ(errno, EINVAL);
	room = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(room, MAP_FAILED);
	ASSERT_EQ(mremap(maps[0], len, len, MREMAP_MAYMOVE | MREMAP_FIXED, room), room);
	EXPECT_EQ(ops_(MAP), 3);
	EXPECT_EQ(ops_(UNMAP), 1);
	munmap(room, len);
	EXPECT_EQ(ops_(UNMAP), 2);
	/* The file is closed when the other goes. */
	close(fd);
	EXPECT_EQ(ops_(CLOSE), 0);
	munmap(maps[1], len);
	EXPECT_EQ(ops_(UNMAP), 3);
	EXPECT_EQ(ops_(CLOSE), 1);
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(cb_event(self->dev, CB_FILEOP, i).arg[1], 1);
}

TEST_F(fileop, a_child_has_no_part_in_a_mapping)
{
	int fd = file_open("f.d/cpu0", O_RDONLY), status = -1;
	size_t len = whole(fd);
	void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	pid_t child;

	ASSERT_NE(map, MAP_FAILED);
	/* Nor can it be given one. */
	EXPECT_EQ(madvise(map, len, MADV_DOFORK), -1);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child)
		_exit(msync(map, PAGE, MS_ASYNC) == -1 && errno == ENOMEM ? 0 : 1);
	waitpid(child, &status, 0);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(ops_(MAP), 2);
	EXPECT_EQ(ops_(UNMAP), 1);
	munmap(map, len);
	EXPECT_EQ(ops_(UNMAP), 2);
	close(fd);
}

TEST_F(fileop, a_refused_map_has_no_unmap)
{
	int fd = file_open("f.d/cpu0", O_RDONLY);
	size_t len = whole(fd);

	behave_(.refuse_map = -EACCES);
	EXPECT_EQ(mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(ops_(MAP), 3);
	EXPECT_EQ(ops_(UNMAP), 1);
	/* Nor has one that cannot be, and the client is not asked. */
	behave_();
	EXPECT_EQ(mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	EXPECT_EQ(mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
	EXPECT_EQ(ops_(MAP), 3);
	close(fd);
}

TEST_F(fileop, ioctls_of_others_go_to_the_client)
{
	static const char * const names[] = { "f", "f.d/cpu0" };

	for (int i = 0; i < 2; i++) {
		int fd = file_open(names[i], O_RDONLY);
		struct cb_event event;

		behave_(.answer = 1234567);
		EXPECT_EQ(ioctl(fd, _IOW('x', 1, int), 0x123456789abul), 1234567);
		event = cb_event(self->dev, CB_IOCTL, i * 2);
		EXPECT_EQ(event.arg[0], _IOW('x', 1, int));
		EXPECT_EQ(event.arg[1], 0x123456789abul);
		EXPECT_EQ(event.arg[2], i + 1);
		EXPECT_EQ(event.context, CB_IN_TASK | CB_MAY_SLEEP);
		behave_(.answer = -EXDEV);
		EXPECT_EQ(ioctl(fd, 42), -1);
		EXPECT_EQ(errno, EXDEV);
		/* Those with our number are ours, known or not. */
		EXPECT_EQ(ioctl(fd, _IO(RELAY_IOC_MAGIC, 200), 0), -1);
		EXPECT_EQ(errno, ENOTTY);
		EXPECT_EQ(ioctl(fd, RELAY_IOC_OBSERVE), 0);
		EXPECT_EQ(cb_count(self->dev, CB_IOCTL), i * 2 + 2);
		close(fd);
	}
}

TEST_F(fileop, without_callbacks_all_goes_as_ever)
{
	int dev = callbacks_device(), fd;

	ASSERT_EQ(cb_open(dev, "none", (struct cb_open){ .subbuf_size = SUBBUF }), 0);
	fd = file_open("none.d/cpu0", O_RDONLY);
	ASSERT_GE(fd, 0);
	EXPECT_NE(whole(fd), 0);
	EXPECT_EQ(ioctl(fd, 42), -1);
	EXPECT_EQ(errno, ENOTTY);
	close(fd);
	EXPECT_EQ(cb(dev, CB_COUNT), 0);
	close(dev);
}

TEST_F(fileop, after_the_end_the_client_is_told_nothing)
{
	int fd = file_open("f.d/cpu0", O_RDONLY);
	size_t len = whole(fd);
	void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	int count;

	ASSERT_NE(map, MAP_FAILED);
	ASSERT_EQ(cb(self->dev, CB_CLOSE), 0);
	count = cb(self->dev, CB_COUNT);
	EXPECT_GT(count, 0);
	EXPECT_EQ(ioctl(fd, 42), -1);
	EXPECT_EQ(errno, ENOTTY);
	EXPECT_EQ(ioctl(fd, _IO(RELAY_IOC_MAGIC, 200), 0), -1);
	EXPECT_EQ(errno, ENOTTY);
	EXPECT_NE(whole(fd), 0);
	munmap(map, len);
	close(fd);
	EXPECT_EQ(cb(self->dev, CB_COUNT), 0);
}

/* Something that waits in the client. */
static void *do_ioctl(void *arg)
{
	return (void *)(long)ioctl(*(int *)arg, 42);
}

static void *do_close(void *arg)
{
	return (void *)cb(*(int *)arg, CB_CLOSE);
}

TEST_F(fileop, the_end_waits_for_a_callback_that_sleeps)
{
	int fd = file_open("f", O_RDONLY);
	pthread_t ioctls[2], closer;
	void *result;

	behave_(.hold = 1 << CB_IOCTL, .answer = 7);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(pthread_create(&ioctls[i], NULL, do_ioctl, &fd), 0);
	await_inside(self->dev, 2);
	ASSERT_EQ(pthread_create(&closer, NULL, do_close, &self->dev), 0);
	/* Its files are gone before: it has come to wait, or will. */
	while (file_exists("f"))
		usleep(1000);
	usleep(100000);
	EXPECT_EQ(pthread_tryjoin_np(closer, &result), EBUSY);
	EXPECT_EQ(cb(self->dev, CB_INSIDE), 2);
	behave_(.answer = 7);
	for (int i = 0; i < 2; i++) {
		pthread_join(ioctls[i], &result);
		EXPECT_EQ((long)result, 7);
	}
	pthread_join(closer, &result);
	EXPECT_EQ((long)result, 0);
	EXPECT_EQ(cb(self->dev, CB_INSIDE), 0);
	EXPECT_EQ(ioctl(fd, 42), -1);
	EXPECT_EQ(errno, ENOTTY);
	close(fd);
}

TEST_HARNESS_MAIN
