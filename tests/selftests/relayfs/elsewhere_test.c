// SPDX-License-Identifier: GPL-2.0
/* A channel's data in files of debugfs; channels that have no files in the mount. */

#include "filestest.h"
#include <pthread.h>

static int make(int dev, const char *name, uint32_t channel, uint32_t cpu, uint32_t how)
{
	struct files_elsewhere e = { .name = (uintptr_t)name, .channel = channel, .cpu = cpu,
				     .how = how };

	return files_do(dev, FILES_ELSEWHERE, &e);
}

static int open_there(const char *name, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), FILES_DEBUGFS "/%s", name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The text that can be read now, -errno, or 0 at the end. */
static int read_text(int fd, char *to, size_t size)
{
	int n = read(fd, to, size - 1);

	to[n < 0 ? 0 : n] = 0;
	return n < 0 ? -errno : n;
}

static short poll_now(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

FIXTURE(plain)
{
	int dev;
};

FIXTURE_SETUP(plain)
{
	self->dev = files_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
}

FIXTURE_TEARDOWN(plain)
{
	close(self->dev);
}

TEST_F(plain, a_channel_without_a_path_has_no_files)
{
	ASSERT_EQ(files_chan(self->dev, 0, NULL, 0), 0);
	ASSERT_EQ(files_chan(self->dev, 1, NULL, RELAY_USAGE_GLOBAL), 0);
	EXPECT_EQ(files_chan_write(self->dev, 0, "hello", 5), 5);
	EXPECT_EQ(files_chan_close(self->dev, 0), 0);
	EXPECT_EQ(files_chan_close(self->dev, 1), 0);
}

TEST_F(plain, only_buffers_that_are_there)
{
	ASSERT_EQ(files_chan(self->dev, 0, NULL, 0), 0);
	ASSERT_EQ(files_chan(self->dev, 1, "g", RELAY_USAGE_GLOBAL), 0);
	EXPECT_EQ(make(self->dev, "", 0, 0, FILES_ELSEWHERE_ASK), 0);
	EXPECT_EQ(make(self->dev, "", 0, RELAY_CPU_ALL, FILES_ELSEWHERE_ASK), 0);
	EXPECT_EQ(make(self->dev, "", 0, RELAY_CPU_NONE, FILES_ELSEWHERE_ASK), -ENXIO);
	EXPECT_EQ(make(self->dev, "", 0, 100000, FILES_ELSEWHERE_ASK), -ENXIO);
	EXPECT_EQ(make(self->dev, "", 1, RELAY_CPU_NONE, FILES_ELSEWHERE_ASK), 0);
	EXPECT_EQ(make(self->dev, "", 1, RELAY_CPU_ALL, FILES_ELSEWHERE_ASK), 0);
	EXPECT_EQ(make(self->dev, "", 1, 0, FILES_ELSEWHERE_ASK), -ENXIO);
}

FIXTURE(elsewhere)
{
	int dev;
};

FIXTURE_VARIANT(elsewhere)
{
	uint32_t how;
};

FIXTURE_VARIANT_ADD(elsewhere, proxy)
{
	.how = FILES_ELSEWHERE_FULL,
};

FIXTURE_VARIANT_ADD(elsewhere, unsafe)
{
	.how = FILES_ELSEWHERE_UNSAFE,
};

FIXTURE_VARIANT_ADD(elsewhere, own)
{
	.how = FILES_ELSEWHERE_OWN,
};

FIXTURE_SETUP(elsewhere)
{
	self->dev = files_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
}

FIXTURE_TEARDOWN(elsewhere)
{
	close(self->dev);
}

TEST_F(elsewhere, gives_a_cpu_and_the_whole)
{
	int cpu, whole, bytes = -1;
	char text[64];

	ASSERT_EQ(files_chan(self->dev, 0, NULL, RELAY_DELIVERY_PACKET), 0);
	ASSERT_EQ(make(self->dev, "cpu0", 0, 0, variant->how), 0);
	ASSERT_EQ(make(self->dev, "all", 0, RELAY_CPU_ALL, variant->how), 0);
	cpu = open_there("cpu0", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(cpu, 0);
	whole = open_there("all", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(whole, 0);

	EXPECT_EQ(read_text(cpu, text, sizeof(text)), -EAGAIN);
	EXPECT_EQ(poll_now(cpu), 0);
	EXPECT_EQ(files_chan_write(self->dev, 0, "one", 3), 3);
	EXPECT_EQ(poll_now(cpu), POLLIN);
	EXPECT_EQ(poll_now(whole), POLLIN);
	/* The kernel counts what a regular file has by its size. */
	EXPECT_EQ(ioctl(cpu, FIONREAD, &bytes), 0);
	EXPECT_EQ(bytes, 0);
	EXPECT_EQ(syscall(SYS_read, cpu, 8L, 4L), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(read_text(cpu, text, sizeof(text)), 3);
	EXPECT_STREQ(text, "one");
	EXPECT_EQ(files_chan_write(self->dev, 0, "two", 3), 3);
	EXPECT_EQ(read_text(whole, text, sizeof(text)), 3);
	EXPECT_STREQ(text, "two");
	close(cpu);
	close(whole);
}

TEST_F(elsewhere, claims_and_ioctls_are_as_in_the_mount)
{
	int alone, other;

	ASSERT_EQ(files_chan(self->dev, 0, "both", RELAY_DELIVERY_PACKET), 0);
	ASSERT_EQ(make(self->dev, "cpu0", 0, 0, variant->how), 0);
	alone = file_open("both.d/cpu0", O_RDONLY | O_EXCL);
	ASSERT_GE(alone, 0);
	EXPECT_EQ(open_there("cpu0", O_RDONLY | O_EXCL), -EBUSY);
	other = open_there("cpu0", O_RDONLY);
	ASSERT_GE(other, 0);
	EXPECT_EQ(ioctl(other, RELAY_IOC_OBSERVE), 0);
	EXPECT_EQ(ioctl(other, _IO('f', 99)), -1);
	EXPECT_EQ(errno, ENOTTY);
	if (variant->how == FILES_ELSEWHERE_OWN) {
		int before = ioctl(other, FILES_OWN_IOCTL);

		EXPECT_GT(before, 0);
		EXPECT_EQ(ioctl(other, FILES_OWN_IOCTL), before + 1);
	}
	close(other);
	close(alone);
}

TEST_F(elsewhere, maps_unless_a_proxy_is_between)
{
	struct relayfs_meta *meta;
	int fd, whole;

	ASSERT_EQ(files_chan(self->dev, 0, NULL, 0), 0);
	ASSERT_EQ(make(self->dev, "cpu0", 0, 0, variant->how), 0);
	ASSERT_EQ(make(self->dev, "all", 0, RELAY_CPU_ALL, variant->how), 0);
	fd = open_there("cpu0", O_RDONLY);
	whole = open_there("all", O_RDONLY);
	meta = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (variant->how == FILES_ELSEWHERE_FULL) {
		EXPECT_EQ(meta, MAP_FAILED);
	} else {
		size_t len;
		char *all;

		ASSERT_NE(meta, MAP_FAILED);
		len = meta->data_offset + meta->subbuf_size * meta->n_subbufs;
		all = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
		ASSERT_NE(all, MAP_FAILED);
		EXPECT_EQ(files_chan_write(self->dev, 0, "mapped", 6), 6);
		EXPECT_EQ(files_chan_close(self->dev, 0), 0);
		files_do(self->dev, FILES_ELSEWHERE_REMOVE, NULL);
		close(fd);
		EXPECT_NE(memmem(all, len, "mapped", 6), NULL);
		EXPECT_EQ(munmap(all, len), 0);
		fd = -1;
	}
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, whole, 0), MAP_FAILED);
	EXPECT_EQ(errno, ENODEV);
	close(fd);
	close(whole);
}

TEST_F(elsewhere, is_written_if_the_channel_wants_that)
{
	struct files_open o = { .channel = 0, .flags = RELAY_DELIVERY_PACKET, .mode = 0600 };
	char text[64];
	int cpu, whole, plain;

	ASSERT_EQ(files_do(self->dev, FILES_OPEN, &o), 0);
	ASSERT_EQ(files_chan(self->dev, 1, NULL, 0), 0);
	ASSERT_EQ(make(self->dev, "cpu0", 0, 0, variant->how), 0);
	ASSERT_EQ(make(self->dev, "all", 0, RELAY_CPU_ALL, variant->how), 0);
	ASSERT_EQ(make(self->dev, "plain", 1, RELAY_CPU_ALL, variant->how), 0);
	whole = open_there("all", O_RDWR | O_NONBLOCK);
	ASSERT_GE(whole, 0);
	EXPECT_EQ(write(whole, "written", 7), 7);
	EXPECT_EQ(syscall(SYS_write, whole, 8L, 4L), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(write(whole, "", 0), 0);
	EXPECT_EQ(read_text(whole, text, sizeof(text)), 7);
	EXPECT_STREQ(text, "written");
	EXPECT_EQ(poll(&(struct pollfd){ .fd = whole, .events = POLLOUT }, 1, 0), 1);

	/* Neither one CPU's file, nor one of a channel that is only read. */
	cpu = open_there("cpu0", O_RDWR);
	EXPECT_EQ(write(cpu, "x", 1), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(poll(&(struct pollfd){ .fd = cpu, .events = POLLOUT }, 1, 0), 0);
	plain = open_there("plain", O_RDWR);
	EXPECT_EQ(write(plain, "x", 1), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(poll(&(struct pollfd){ .fd = plain, .events = POLLOUT }, 1, 0), 0);
	EXPECT_EQ(files_chan_close(self->dev, 0), 0);
	EXPECT_EQ(write(whole, "x", 1), -1);
	EXPECT_EQ(errno, EPIPE);
	close(cpu);
	close(plain);
	close(whole);
}

TEST_F(elsewhere, ends_with_the_channel)
{
	char text[64];
	int fd;

	ASSERT_EQ(files_chan(self->dev, 0, NULL, 0), 0);
	ASSERT_EQ(make(self->dev, "cpu0", 0, 0, variant->how), 0);
	fd = open_there("cpu0", O_RDONLY);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(files_chan_write(self->dev, 0, "left", 4), 4);
	EXPECT_EQ(files_chan_close(self->dev, 0), 0);

	/* Still there, and nothing behind it. */
	EXPECT_EQ(open_there("cpu0", O_RDONLY), -ENXIO);
	/* Nor is there if another channel comes. */
	ASSERT_EQ(files_chan(self->dev, 0, NULL, 0), 0);
	ASSERT_EQ(make(self->dev, "new", 0, 0, variant->how), 0);
	EXPECT_EQ(open_there("cpu0", O_RDONLY), -ENXIO);

	EXPECT_EQ(poll_now(fd) & POLLIN, POLLIN);
	EXPECT_EQ(read_text(fd, text, sizeof(text)), 4);
	EXPECT_STREQ(text, "left");
	EXPECT_EQ(read_text(fd, text, sizeof(text)), 0);
	EXPECT_EQ(poll_now(fd), POLLHUP);
	/* Debugfs cuts off who has a file open that is removed, unless it was told not to. */
	EXPECT_EQ(files_do(self->dev, FILES_ELSEWHERE_REMOVE, NULL), 0);
	EXPECT_EQ(read_text(fd, text, sizeof(text)),
		  variant->how == FILES_ELSEWHERE_FULL ? -EIO : 0);
	close(fd);
}

static void *blocked_read(void *argument)
{
	char c;

	return (void *)read(*(int *)argument, &c, 1);
}

TEST_F(elsewhere, closing_lets_go_who_reads)
{
	pthread_t thread;
	void *got;
	int fd;

	ASSERT_EQ(files_chan(self->dev, 0, NULL, 0), 0);
	ASSERT_EQ(make(self->dev, "cpu0", 0, 0, variant->how), 0);
	fd = open_there("cpu0", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(pthread_create(&thread, NULL, blocked_read, &fd), 0);
	usleep(20000);
	EXPECT_EQ(files_chan_close(self->dev, 0), 0);
	EXPECT_EQ(files_do(self->dev, FILES_ELSEWHERE_REMOVE, NULL), 0);
	pthread_join(thread, &got);
	EXPECT_EQ(got, NULL);
	close(fd);
}

TEST_HARNESS_MAIN
