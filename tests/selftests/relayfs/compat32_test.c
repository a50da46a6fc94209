// SPDX-License-Identifier: GPL-2.0
/* A 32-bit program on a 64-bit kernel: structures, numbers and addresses are as they are there. */

#define _FILE_OFFSET_BITS 64
#include <assert.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include "callbacks.h"

#define SUBBUF	4096
#define N	4
#define MONO_NOW() ({ struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); \
		      t.tv_sec * 1000000000ull + t.tv_nsec; })

static_assert(sizeof(void *) == 4, "to be built for 32 bits");
/* As on the other side: no member moves, and no number changes. */
static_assert(sizeof(struct relayfs_lost) == 16, "");
static_assert(sizeof(struct relayfs_meta) == 512, "");
static_assert(offsetof(struct relayfs_meta, generation) == 40, "");
static_assert(offsetof(struct relayfs_meta, write_pos) == 128, "");
static_assert(offsetof(struct relayfs_meta, lost) == 256, "");
static_assert(offsetof(struct relayfs_meta, consumed) == 384, "");
static_assert(sizeof(struct relayfs_subbuf) == 128, "");
static_assert(sizeof(struct relayfs_packet) == 80, "");
static_assert(offsetof(struct relayfs_packet, packet_size) == 24, "");
static_assert(sizeof(struct relayfs_event) == 16, "");
static_assert(sizeof(struct relayfs_info) == 296, "");
static_assert(offsetof(struct relayfs_info, watermark) == 56, "");
static_assert(offsetof(struct relayfs_info, produced) == 104, "");
static_assert(RELAY_IOC_OBSERVE == 0xe100, "");
static_assert(RELAY_IOC_GET_LOST == 0x8010e101, "");
static_assert(RELAY_IOC_SET_WATERMARK == 0x4008e102, "");
static_assert(RELAY_IOC_SET_FLUSH_INTERVAL == 0x4004e103, "");
static_assert(RELAY_IOC_FLUSH == 0x8008e104, "");
static_assert(RELAY_IOC_RESET == 0xe105, "");
static_assert(RELAY_IOC_GET_INFO == 0xc128e106, "");
static_assert(RELAY_IOC_CONSUME == 0x4008e107, "");

FIXTURE(compat32)
{
	int dev, id, fd;
};

FIXTURE_VARIANT(compat32)
{
	const char *name;
	bool whole;
};

FIXTURE_VARIANT_ADD(compat32, whole) { "c", true };
FIXTURE_VARIANT_ADD(compat32, buffer) { "c.d/cpu0", false };

FIXTURE_SETUP(compat32)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->id = chan_open_attr(self->dev, "c", (struct relaytest_open){
				  .subbuf_size = SUBBUF, .n_subbufs = N, .mode = 0600 });
	ASSERT_GE(self->id, 0);
	self->fd = file_open(variant->name, variant->whole ? O_RDWR | O_NONBLOCK :
			     O_RDONLY | O_NONBLOCK);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(compat32)
{
	close(self->fd);
	close(self->dev);
}

static char in[N * SUBBUF];

TEST_F(compat32, get_lost)
{
	struct relayfs_lost lost = { ~0ull, ~0ull };
	unsigned int overwritten;

	EXPECT_EQ(ioctl(self->fd, RELAY_IOC_GET_LOST, &lost), 0);
	EXPECT_EQ(lost.records, 0);
	EXPECT_EQ(lost.bytes, 0);
	for (int i = 0; i < 3 * N; i++)
		ASSERT_EQ(chan_write(self->dev, self->id, in, SUBBUF), SUBBUF);
	EXPECT_GT(read(self->fd, in, 1), 0);
	overwritten = info("c", "total", "overwritten", false);
	EXPECT_GE(overwritten, 2 * N);
	EXPECT_EQ(ioctl(self->fd, RELAY_IOC_GET_LOST, &lost), 0);
	EXPECT_EQ(lost.records, overwritten);
	EXPECT_EQ(lost.bytes, overwritten * SUBBUF);
	EXPECT_EQ(ioctl(self->fd, RELAY_IOC_GET_LOST, NULL), -1);
	EXPECT_EQ(errno, EFAULT);
	/* The kernel's half begins right behind ours. */
	EXPECT_EQ(ioctl(self->fd, RELAY_IOC_GET_LOST, 0xfffff000ul), -1);
	EXPECT_EQ(errno, EFAULT);
}

TEST_F(compat32, observe)
{
	int other = file_open(variant->name, O_RDONLY | O_NONBLOCK);

	EXPECT_EQ(chan_write(self->dev, self->id, "seen twice", 10), 10);
	EXPECT_EQ(ioctl(other, RELAY_IOC_OBSERVE), 0);
	EXPECT_EQ(ioctl(other, RELAY_IOC_OBSERVE), -1);
	EXPECT_EQ(errno, EBUSY);
	EXPECT_EQ(read(other, in, sizeof(in)), 10);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 10);
	EXPECT_EQ(memcmp(in, "seen twice", 10), 0);
	close(other);
}

TEST_F(compat32, set_watermark)
{
	uint64_t bytes = 1000, too_many = N * SUBBUF + 1, high = 1ull << 32;
	struct pollfd p = { .fd = self->fd, .events = POLLIN };
	uint32_t minute = 60000, too_long = 60001;

	EXPECT_EQ(ioctl(self->fd, RELAY_IOC_SET_WATERMARK, &too_many), -1);
	EXPECT_EQ(errno, EINVAL);
	/* All 64 bits count. */
	EXPECT_EQ(ioctl(self->fd, RELAY_IOC_SET_WATERMARK, &high), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(ioctl(self->fd, RELAY_IOC_SET_WATERMARK, &bytes), 0);
	EXPECT_EQ(ioctl(self->fd, RELAY_IOC_SET_FLUSH_INTERVAL, &too_long), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(ioctl(self->fd, RELAY_IOC_SET_FLUSH_INTERVAL, &minute), 0);
	EXPECT_EQ(poll(&p, 1, 0), 0);
	EXPECT_EQ(chan_write(self->dev, self->id, in, 1000), 1000);
	EXPECT_EQ(poll(&p, 1, -1), 1);
	EXPECT_EQ(p.revents, POLLIN);
}

TEST_F(compat32, flush)
{
	uint64_t before = MONO_NOW(), clock = 0, after;

	EXPECT_EQ(chan_write(self->dev, self->id, in, 100), 100);
	EXPECT_EQ(ioctl(self->fd, RELAY_IOC_FLUSH, &clock), 0);
	after = MONO_NOW();
	EXPECT_GE(clock, before);
	EXPECT_LE(clock, after);
	EXPECT_EQ(ioctl(self->fd, RELAY_IOC_FLUSH, 1ul), -1);
	EXPECT_EQ(errno, EFAULT);
}

TEST_F(compat32, reset)
{
	EXPECT_EQ(chan_write(self->dev, self->id, in, 100), 100);
	EXPECT_EQ(ioctl(self->fd, RELAY_IOC_RESET), 0);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), -1);
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(info("c", "total", "overwritten", false), 1);
}

TEST_F(compat32, get_info)
{
	struct relayfs_info i = { .size = sizeof(i) };

	EXPECT_EQ(chan_write(self->dev, self->id, in, 100), 100);
	EXPECT_EQ(chan_write(self->dev, self->id, in, 50), 50);
	EXPECT_EQ(read(self->fd, in, 100), 100);
	ASSERT_EQ(ioctl(self->fd, RELAY_IOC_GET_INFO, &i), 0);
	EXPECT_EQ(i.size, sizeof(i));
	EXPECT_EQ(i.subbuf_size, SUBBUF);
	EXPECT_EQ(i.n_subbufs, N);
	EXPECT_EQ(i.n_buffers, variant->whole ? (unsigned int)cpus() : 1);
	EXPECT_EQ(i.cpu, variant->whole ? RELAYFS_CPU_ALL : 0);
	EXPECT_EQ(i.readers, 1);
	EXPECT_EQ(i.produced.records, 2);
	EXPECT_EQ(i.produced.bytes, 150);
	EXPECT_EQ(i.unread.records + i.read.records, 2);
	EXPECT_EQ(i.lost[RELAYFS_LOST_TOO_BIG].records, 0);
	EXPECT_EQ(chan_write(self->dev, self->id, in, SUBBUF + 1), -EMSGSIZE);
	i = (struct relayfs_info){ .size = sizeof(i) };
	ASSERT_EQ(ioctl(self->fd, RELAY_IOC_GET_INFO, &i), 0);
	EXPECT_EQ(i.lost[RELAYFS_LOST_TOO_BIG].records, 1);
	EXPECT_EQ(i.lost[RELAYFS_LOST_TOO_BIG].bytes, SUBBUF + 1);
	i.size = 8;
	EXPECT_EQ(ioctl(self->fd, RELAY_IOC_GET_INFO, &i), -1);
	EXPECT_EQ(errno, EINVAL);
}

TEST_F(compat32, consume)
{
	uint64_t position = 100;

	EXPECT_EQ(chan_write(self->dev, self->id, in, 100), 100);
	EXPECT_EQ(chan_write(self->dev, self->id, "rest", 4), 4);
	if (variant->whole) {
		EXPECT_EQ(ioctl(self->fd, RELAY_IOC_CONSUME, &position), -1);
		EXPECT_EQ(errno, EINVAL);
		return;
	}
	EXPECT_EQ(ioctl(self->fd, RELAY_IOC_CONSUME, &position), 0);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 4);
	EXPECT_EQ(memcmp(in, "rest", 4), 0);
}

TEST_F(compat32, unknown_numbers)
{
	EXPECT_EQ(ioctl(self->fd, _IO(RELAY_IOC_MAGIC, 200), 0), -1);
	EXPECT_EQ(errno, ENOTTY);
	EXPECT_EQ(ioctl(self->fd, _IO('x', 1), 0), -1);
	EXPECT_EQ(errno, ENOTTY);
}

TEST_F(compat32, maps_meta_page_and_data)
{
	struct relayfs_meta *meta;
	size_t len;
	char *data;

	meta = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 0);
	if (variant->whole) {
		EXPECT_EQ(meta, MAP_FAILED);
		EXPECT_EQ(errno, ENODEV);
		return;
	}
	ASSERT_NE(meta, MAP_FAILED);
	EXPECT_EQ(meta->magic, RELAYFS_MAGIC);
	EXPECT_EQ(meta->version, RELAYFS_META_VERSION);
	EXPECT_EQ(meta->desc_size, sizeof(struct relayfs_subbuf));
	EXPECT_EQ(meta->subbuf_size, SUBBUF);
	EXPECT_EQ(meta->n_subbufs, N);
	len = meta->data_offset + meta->subbuf_size * meta->n_subbufs;
	munmap(meta, PAGE);
	meta = mmap(NULL, len, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(meta, MAP_FAILED);
	EXPECT_EQ(chan_write(self->dev, self->id, "mapped", 6), 6);
	data = (char *)meta + meta->data_offset;
	EXPECT_EQ(memcmp(data, "mapped", 6), 0);
	EXPECT_EQ(meta->write_pos, 6);
	EXPECT_EQ(((struct relayfs_subbuf *)(meta + 1))->seq, 1);
	munmap(meta, len);
	/* The first page of the upper half of the offsets is nobody's. */
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 1ll << 41), MAP_FAILED);
}

TEST_F(compat32, reads_writes_and_polls)
{
	struct iovec parts[] = { { "one", 3 }, { " and ", 5 }, { "two", 3 } };
	struct epoll_event event = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	char a[4], b[64];
	struct iovec to[] = { { a, 4 }, { b, 64 } };

	ASSERT_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, self->fd, &event), 0);
	EXPECT_EQ(epoll_wait(ep, &event, 1, 0), 0);
	if (variant->whole) {
		EXPECT_EQ(writev(self->fd, parts, 3), 11);
		EXPECT_EQ(write(self->fd, (void *)0xfffff000ul, 10), -1);
		EXPECT_EQ(errno, EFAULT);
	} else {
		EXPECT_EQ(chan_write(self->dev, self->id, "one and two", 11), 11);
	}
	EXPECT_EQ(epoll_wait(ep, &event, 1, -1), 1);
	EXPECT_EQ(read(self->fd, (void *)0xfffff000ul, 10), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(readv(self->fd, to, 2), 11);
	EXPECT_EQ(memcmp(a, "one ", 4), 0);
	EXPECT_EQ(memcmp(b, "and two", 7), 0);
	EXPECT_EQ(read(self->fd, b, 1), -1);
	EXPECT_EQ(errno, EAGAIN);
	close(ep);
}

TEST_F(compat32, what_is_the_clients_gets_there_as_it_is)
{
	int dev = callbacks_device(), fd;
	struct cb_event event;

	ASSERT_GE(dev, 0);
	ASSERT_EQ(cb_open(dev, "x", (struct cb_open){ .subbuf_size = SUBBUF,
			  .wanted = 1 << CB_IOCTL }), 0);
	ASSERT_EQ(cb_behave(dev, (struct cb_behave){ .answer = 1234567 }), 0);
	fd = file_open(variant->whole ? "x" : "x.d/cpu0", O_RDONLY);
	ASSERT_GE(fd, 0);
	/* An address in the upper half is not a negative number. */
	EXPECT_EQ(ioctl(fd, _IOW('x', 1, int), 0xfedcba98ul), 1234567);
	event = cb_event(dev, CB_IOCTL, 0);
	EXPECT_EQ(event.arg[0], _IOW('x', 1, int));
	EXPECT_EQ(event.arg[1], 0xfedcba98ull);
	ASSERT_EQ(cb_behave(dev, (struct cb_behave){ .answer = -EXDEV }), 0);
	EXPECT_EQ(ioctl(fd, 42, NULL), -1);
	EXPECT_EQ(errno, EXDEV);
	close(fd);
	close(dev);
}

TEST_HARNESS_MAIN
