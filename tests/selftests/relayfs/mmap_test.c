// SPDX-License-Identifier: GPL-2.0
/* Mapping a buffer: what is allowed, and that the meta page tells the truth. */

#include "relaytest.h"

#define SUBBUF	4096
#define N	4

FIXTURE(mmap)
{
	int dev, id, fd;
	size_t len;
};

FIXTURE_SETUP(mmap)
{
	struct relayfs_meta *meta;

	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->id = chan_open(self->dev, "m", SUBBUF, N, RELAY_MODE_NO_OVERWRITE);
	ASSERT_GE(self->id, 0);
	self->fd = file_open("m.d/cpu0", O_RDWR);
	ASSERT_GE(self->fd, 0);
	meta = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(meta, MAP_FAILED);
	self->len = meta->data_offset + meta->subbuf_size * meta->n_subbufs;
	munmap(meta, PAGE);
}

FIXTURE_TEARDOWN(mmap)
{
	close(self->fd);
	close(self->dev);
}

static int try_map(size_t len, int prot, int flags, int fd, off_t offset)
{
	void *p = mmap(NULL, len, prot, flags, fd, offset);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, len);
	return 0;
}

TEST_F(mmap, bad_mappings)
{
	size_t len = self->len;
	int whole = file_open("m", O_RDONLY);

	EXPECT_EQ(try_map(len, PROT_READ, MAP_SHARED, self->fd, 0), 0);
	EXPECT_EQ(try_map(len, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0), -EPERM);
	EXPECT_EQ(try_map(len, PROT_WRITE, MAP_SHARED, self->fd, 0), -EPERM);
	EXPECT_EQ(try_map(len, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->fd, 0), -EPERM);
	EXPECT_EQ(try_map(len, PROT_READ | PROT_EXEC, MAP_SHARED, self->fd, 0), -EPERM);
	EXPECT_EQ(try_map(len + PAGE, PROT_READ, MAP_SHARED, self->fd, 0), -EINVAL);
	EXPECT_EQ(try_map(len - PAGE, PROT_READ, MAP_SHARED, self->fd, 0), -EINVAL);
	EXPECT_EQ(try_map(2 * PAGE, PROT_READ, MAP_SHARED, self->fd, 0), -EINVAL);
	EXPECT_EQ(try_map(len, PROT_READ, MAP_SHARED, self->fd, PAGE), -ENXIO);
	EXPECT_EQ(try_map(PAGE, PROT_READ, MAP_SHARED, self->fd, PAGE), -ENXIO);
	EXPECT_EQ(try_map(PAGE, PROT_READ, MAP_SHARED, self->fd, (off_t)1 << 62), -ENXIO);
	EXPECT_EQ(try_map(len, PROT_READ, MAP_SHARED, whole, 0), -ENODEV);
	close(whole);
}

TEST_F(mmap, a_read_only_descriptor_cannot_map_for_writing)
{
	int fd = file_open("m.d/cpu0", O_RDONLY);

	EXPECT_EQ(try_map(self->len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), -EACCES);
	close(fd);
}

TEST_F(mmap, no_mprotect_and_no_growing)
{
	char *p = mmap(NULL, self->len, PROT_READ, MAP_SHARED, self->fd, 0);

	ASSERT_NE(p, MAP_FAILED);
	EXPECT_EQ(mprotect(p, self->len, PROT_READ | PROT_WRITE), -1);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(mprotect(p, PAGE, PROT_READ | PROT_EXEC), -1);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(mremap(p, self->len, self->len * 2, MREMAP_MAYMOVE), MAP_FAILED);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(munmap(p + PAGE, PAGE), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(munmap(p, self->len), 0);
}

TEST_F(mmap, meta_describes_the_buffer)
{
	const struct relayfs_meta *m = mmap(NULL, self->len, PROT_READ, MAP_SHARED, self->fd, 0);

	ASSERT_NE((void *)m, MAP_FAILED);
	EXPECT_EQ(m->magic, RELAYFS_MAGIC);
	EXPECT_EQ(m->version, RELAYFS_META_VERSION);
	EXPECT_EQ(m->subbuf_size, SUBBUF);
	EXPECT_EQ(m->n_subbufs, N);
	EXPECT_EQ(m->desc_size, sizeof(struct relayfs_subbuf));
	EXPECT_EQ(m->cpu, 0);
	EXPECT_EQ(m->flags & RELAY_MODE_NO_OVERWRITE, RELAY_MODE_NO_OVERWRITE);
	EXPECT_EQ(m->data_offset % PAGE, 0);
	munmap((void *)m, self->len);
}

TEST_F(mmap, data_and_counts_are_those_written)
{
	char *map = mmap(NULL, self->len, PROT_READ, MAP_SHARED, self->fd, 0);
	const struct relayfs_meta *m = (void *)map;
	const struct relayfs_subbuf *sub = (void *)(map + sizeof(*m));
	struct relaytest_pattern p = { .id = self->id, .cpu = 0, .len = 100, .count = 60,
				       .writer = 9 };
	char b[SUBBUF];

	ASSERT_NE(map, MAP_FAILED);
	ASSERT_EQ(chan_pattern(self->dev, &p), 0);
	EXPECT_EQ(p.written, 60);
	/* 40 records fill the first sub-buffer but for 96 bytes. */
	EXPECT_EQ(m->delivered, 1);
	EXPECT_EQ(m->delivered_records, 40);
	EXPECT_EQ(m->write_pos, SUBBUF + 2000);
	EXPECT_EQ(sub[0].data_len, 4000);
	EXPECT_EQ(sub[0].records, 40);
	EXPECT_EQ(sub[0].seq, 1);
	EXPECT_EQ(sub[0].claim >> 17, 1);
	EXPECT_EQ((sub[1].commit - sub[1].base) & 0xffffffff, 2000);
	EXPECT_LE(sub[0].begin, sub[0].end);
	EXPECT_EQ(record_check((void *)(map + m->data_offset), 4000), 100);
	for (int i = 0; i < 20; i++) {
		void *at = map + m->data_offset + SUBBUF + i * 100;

		EXPECT_EQ(record_check(at, 100), 100);
	}
	EXPECT_EQ(read(self->fd, b, 4000), 4000);
	EXPECT_EQ(m->consumed, SUBBUF);
	EXPECT_EQ(m->read_records, 40);
	munmap(map, self->len);
}

TEST_F(mmap, a_mapping_outlives_channel_and_descriptor)
{
	char *map = mmap(NULL, self->len, PROT_READ, MAP_SHARED, self->fd, 0);
	const struct relayfs_meta *m = (void *)map;

	ASSERT_NE(map, MAP_FAILED);
	EXPECT_EQ(chan_write(self->dev, self->id, "still here", 10), 10);
	EXPECT_EQ(chan_close(self->dev, self->id), 0);
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(memcmp(map + m->data_offset, "still here", 10), 0);
	EXPECT_EQ(m->delivered_records, 1);
	munmap(map, self->len);
}

TEST_HARNESS_MAIN
