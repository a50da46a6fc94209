// SPDX-License-Identifier: GPL-2.0
/*
 * The largest buffers there may be, of 1 GiB: written round and read, each byte and each count; and
 * what is refused. Wants a guest of its own, with one CPU and 3 GiB, so that there is memory for
 * two of them and not for three.
 */

#include "relaytest.h"

#define GIB		1073741824ull
#define MOST		1048576u	/* bytes in a record, and of a read */

FIXTURE(largest)
{
	int dev;
	int64_t limit, used, size;
	unsigned int len, count;	/* of a record; how many fill the buffer */
	unsigned char *bytes;
};

FIXTURE_VARIANT(largest)
{
	uint64_t subbuf_size;
	uint32_t n_subbufs, flags;
};

FIXTURE_VARIANT_ADD(largest, two_subbufs)
{
	.subbuf_size = GIB / 2, .n_subbufs = 2, .flags = RELAY_MODE_NO_OVERWRITE,
};

FIXTURE_VARIANT_ADD(largest, many_subbufs)
{
	.subbuf_size = PAGE, .n_subbufs = GIB / PAGE,
	.flags = RELAY_MODE_CONTINUOUS | RELAY_USAGE_GLOBAL,
};

FIXTURE_SETUP(largest)
{
	uint64_t meta = sizeof(struct relayfs_meta) +
			variant->n_subbufs * sizeof(struct relayfs_subbuf);

	ASSERT_EQ(cpus(), 1);
	ASSERT_GT(meminfo("MemAvailable"), (int64_t)(GIB * 9 / 4 / 1024));
	ASSERT_LT(meminfo("MemTotal"), (int64_t)(GIB * 3 / 1024));
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	self->limit = parameter_get("max_bytes");
	self->used = parameter_get("used_bytes");
	self->size = (meta + PAGE - 1) / PAGE * PAGE + GIB;
	self->len = variant->subbuf_size < MOST ? variant->subbuf_size : MOST;
	self->count = GIB / self->len;
	self->bytes = malloc(MOST);
}

FIXTURE_TEARDOWN(largest)
{
	close(self->dev);
	EXPECT_EQ(parameter_set("max_bytes", self->limit), 0);
	EXPECT_EQ(parameter_get("used_bytes"), self->used);
	free(self->bytes);
}

/* Nothing of what was refused is there. @available: memory before, in KiB. */
static void expect_nothing(struct __test_metadata *_metadata, const char *path, int64_t used,
			   int64_t available)
{
	char dir[32];

	snprintf(dir, sizeof(dir), "%s.d", path);
	EXPECT_FALSE(file_exists(path));
	EXPECT_FALSE(file_exists(dir));
	EXPECT_EQ(parameter_get("used_bytes"), used);
	/* A part of a buffer would be seen; what caches have given up or taken is not. */
	for (int i = 0; i < 100 && available - meminfo("MemAvailable") >= 256 << 10; i++)
		usleep(100000);
	EXPECT_LT(available - meminfo("MemAvailable"), 256 << 10);
}

/* Writes @count records; how many were accepted. */
static unsigned int write_some(int dev, unsigned int id, unsigned int first, unsigned int count,
			       unsigned int len)
{
	struct relaytest_pattern p = { .id = id, .cpu = -1, .first = first, .count = count,
				       .len = len };

	return chan_pattern(dev, &p) || (p.failed && p.error != ENOSPC) ? ~0u : p.written;
}

/* Whether @bytes hold the records from number @first on, and nothing else. */
static bool records_are_right(const unsigned char *bytes, size_t size, unsigned int len,
			      unsigned int first)
{
	for (size_t at = 0; at < size; at += len, first++) {
		struct relaytest_record r;

		if (record_check(bytes + at, size - at) != len)
			return false;
		memcpy(&r, bytes + at, sizeof(r));
		if (r.number != first)
			return false;
	}
	return true;
}

/* Reads all there is, in order, from number @first on; the number of what would come next. */
static unsigned int read_all(struct __test_metadata *_metadata, int fd, unsigned char *bytes,
			     unsigned int len, unsigned int first)
{
	ssize_t got;

	while ((got = read(fd, bytes, MOST)) > 0) {
		ASSERT_EQ(got % len, 0);
		ASSERT_TRUE(records_are_right(bytes, got, len, first));
		first += got / len;
	}
	EXPECT_EQ(errno, EAGAIN);
	return first;
}

static void expect_count(struct __test_metadata *_metadata, const char *what, int64_t records,
			 unsigned int len)
{
	EXPECT_EQ(info("a", "cpu0", what, false), records)
		TH_LOG("%s", what);
	EXPECT_EQ(info("a", "cpu0", what, true), records * len)
		TH_LOG("%s", what);
}

/* Full to the last byte, and a part of the next round. */
TEST_F(largest, is_written_round_and_read)
{
	const unsigned int len = self->len, count = self->count, more = count / 8;
	bool refuses = variant->flags & RELAY_MODE_NO_OVERWRITE;
	unsigned int lost, next;
	int fd, id;

	ASSERT_EQ(parameter_set("max_bytes", self->used + self->size), 0);
	id = chan_open(self->dev, "a", variant->subbuf_size, variant->n_subbufs, variant->flags);
	ASSERT_GE(id, 0);
	EXPECT_EQ(parameter_get("used_bytes"), self->used + self->size);
	fd = file_open("a.d/cpu0", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(fd, 0);

	EXPECT_EQ(write_some(self->dev, id, 0, count, len), count);
	expect_count(_metadata, "unread", count, len);
	/* There is no room for one more; or it takes that of the oldest sub-buffers. */
	EXPECT_EQ(write_some(self->dev, id, count, more, len), refuses ? 0 : more);
	expect_count(_metadata, "full", refuses ? more : 0, len);
	lost = refuses ? 0 : more;
	next = read_all(_metadata, fd, self->bytes, len, lost);
	EXPECT_EQ(next, count + lost);
	EXPECT_EQ(write_some(self->dev, id, next, more, len), more);
	next = read_all(_metadata, fd, self->bytes, len, next);
	EXPECT_EQ(next, count + lost + more);

	expect_count(_metadata, "produced", next, len);
	expect_count(_metadata, "read", next - lost, len);
	expect_count(_metadata, "overwritten", lost, len);
	expect_count(_metadata, "unread", 0, len);
	close(fd);
	EXPECT_EQ(chan_close(self->dev, id), 0);
}

/* Bytes are where a mapping says that they are, to the end. */
TEST_F(largest, is_mapped)
{
	const unsigned int len = self->len, count = self->count;
	const struct relayfs_meta *meta;
	unsigned char *map;
	int fd, id = chan_open(self->dev, "a", variant->subbuf_size, variant->n_subbufs,
			       variant->flags);

	ASSERT_GE(id, 0);
	/* Before it is mapped: then sub-buffers are ended at intervals. */
	EXPECT_EQ(write_some(self->dev, id, 0, count, len), count);
	fd = file_open("a.d/cpu0", O_RDONLY);
	map = mmap(NULL, self->size, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(map, MAP_FAILED);
	meta = (void *)map;
	EXPECT_EQ(meta->data_offset + GIB, (uint64_t)self->size);
	EXPECT_EQ(meta->write_pos, GIB);
	EXPECT_EQ(meta->delivered, variant->n_subbufs);
	for (unsigned int i = 0; i < count; i += i < count - 64 && i >= 64 ? 61 : 1)
		ASSERT_TRUE(records_are_right(map + meta->data_offset + (uint64_t)i * len, len,
					      len, i));
	munmap(map, self->size);
	close(fd);
	EXPECT_EQ(chan_close(self->dev, id), 0);
}

/* By a page less than it needs, by what the machine has, and as more than a buffer may be. */
TEST_F(largest, what_is_refused_leaves_nothing)
{
	int64_t available = meminfo("MemAvailable"), with_two;
	int a, b;

	EXPECT_EQ(chan_open(self->dev, "c", variant->subbuf_size, variant->n_subbufs * 2,
			    variant->flags), -E2BIG);
	EXPECT_EQ(chan_open(self->dev, "c", variant->subbuf_size * 2, variant->n_subbufs,
			    variant->flags), -E2BIG);
	ASSERT_EQ(parameter_set("max_bytes", self->used + self->size - 1), 0);
	EXPECT_EQ(chan_open(self->dev, "c", variant->subbuf_size, variant->n_subbufs,
			    variant->flags), -ENOMEM);
	expect_nothing(_metadata, "c", self->used, available);

	ASSERT_EQ(parameter_set_text("max_bytes", "8G"), 0);
	a = chan_open(self->dev, "a", variant->subbuf_size, variant->n_subbufs, variant->flags);
	ASSERT_GE(a, 0);
	b = chan_open(self->dev, "b", variant->subbuf_size, variant->n_subbufs, variant->flags);
	ASSERT_GE(b, 0);
	with_two = meminfo("MemAvailable");
	EXPECT_LT(with_two, (int64_t)(GIB / 1024));
	EXPECT_EQ(chan_open(self->dev, "c", variant->subbuf_size, variant->n_subbufs,
			    variant->flags), -ENOMEM);
	expect_nothing(_metadata, "c", self->used + 2 * self->size, with_two);
	EXPECT_EQ(write_some(self->dev, a, 0, 2, self->len), 2);
	EXPECT_EQ(chan_close(self->dev, a), 0);
	EXPECT_EQ(chan_close(self->dev, b), 0);
	expect_nothing(_metadata, "a", self->used, available);
	expect_nothing(_metadata, "b", self->used, available);
}

TEST_HARNESS_MAIN
