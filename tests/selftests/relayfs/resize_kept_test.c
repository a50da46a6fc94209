// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers that were replaced while they had something unread are kept until that is read: how many,
 * for whom, in which order, and what becomes of what there is no place for.
 */

#include "mapped.h"
#include "resize_rig.h"

/* So many buffers are kept besides the present one. */
#define KEPT	17
#define EACH	10	/* records in each */

/* Fills @times buffers with a few records and leaves each unread; the number of the next record. */
static uint32_t leave_unread(struct __test_metadata *_metadata, int dev, uint32_t next, int times)
{
	for (int i = 0; i < times; i++) {
		const int to = i % (sizeof(sizes) / sizeof(*sizes));

		ASSERT_EQ(resized_write(dev, next, EACH), EACH);
		next += EACH;
		ASSERT_EQ(resized_to(dev, sizes[to].size, sizes[to].n), 0);
	}
	return next;
}

TEST_F(resize, what_is_unread_is_kept_however_often)
{
	int observer = observer_open(NAME ".d/cpu0", O_RDONLY | O_NONBLOCK);
	int all = file_open(NAME, O_RDONLY | O_NONBLOCK);
	struct resize_state s;
	uint32_t n;

	n = leave_unread(_metadata, self->dev, 0, KEPT);
	ASSERT_EQ(resized_write(self->dev, n, EACH), EACH);
	n += EACH;
	s = resized_state(self->dev);
	EXPECT_EQ(s.generation, KEPT);
	EXPECT_EQ(s.unread, n);
	EXPECT_EQ(s.unread_bytes, n * RECORD);
	EXPECT_EQ(s.subbufs_produced, KEPT);
	EXPECT_EQ(s.subbufs_consumed, 0);
	EXPECT_BALANCE(s);
	/* One and a half records, and the rest of ten buffers and a bit. */
	ASSERT_EQ(read(self->fd, buf, 150), 150);
	ASSERT_EQ(read(self->fd, buf + 150, 100 * RECORD + 50), 100 * RECORD + 50);
	s = resized_state(self->dev);
	EXPECT_EQ(s.read_bytes, 102 * RECORD);
	EXPECT_EQ(s.unread_bytes, (n - 102) * RECORD);
	EXPECT_EQ(s.subbufs_consumed, 10);
	EXPECT_BALANCE(s);
	/* Whoever goes on. */
	EXPECT_EQ(read_now(all, buf, 102 * RECORD, sizeof(buf), 777), n * RECORD);
	EXPECT_TRUE(are_records(buf, n * RECORD, 0, n));
	s = resized_state(self->dev);
	EXPECT_EQ(s.read, n);
	EXPECT_EQ(s.unread, 0);
	EXPECT_BALANCE(s);
	/* Whom nobody waits for has what is left. */
	EXPECT_EQ(read_now(observer, buf, 0, sizeof(buf), 4096), EACH * RECORD);
	EXPECT_TRUE(are_records(buf, EACH * RECORD, n - EACH, EACH));
	close(observer);
	close(all);
}

TEST_F(resize, observers_go_through_all_that_is_kept)
{
	int early = observer_open(NAME ".d/cpu0", O_RDONLY | O_NONBLOCK);
	int late = observer_open(NAME, O_RDONLY | O_NONBLOCK);
	struct relayfs_lost lost;
	uint32_t n;

	ASSERT_EQ(resized_write(self->dev, 0, 3), 3);
	ASSERT_EQ(read(early, buf, 150), 150);
	n = leave_unread(_metadata, self->dev, 3, 6);
	EXPECT_EQ(read_now(early, buf, 150, sizeof(buf), 321), n * RECORD);
	EXPECT_TRUE(are_records(buf, n * RECORD, 0, n));
	n = leave_unread(_metadata, self->dev, n, 6);
	EXPECT_EQ(read_now(late, buf, 0, sizeof(buf), 4096), n * RECORD);
	EXPECT_TRUE(are_records(buf, n * RECORD, 0, n));
	ASSERT_EQ(ioctl(late, RELAY_IOC_GET_LOST, &lost), 0);
	EXPECT_EQ(lost.records, 0);
	EXPECT_EQ(resized_state(self->dev).unread, n);
	close(early);
	close(late);
}

TEST_F(resize, what_there_is_no_place_for_gives_way_or_refuses)
{
	int observer = observer_open(NAME ".d/cpu0", O_RDONLY | O_NONBLOCK);
	uint32_t n = leave_unread(_metadata, self->dev, 0, KEPT), first = 0;
	struct relayfs_lost lost;
	struct resize_state s;

	ASSERT_EQ(resized_write(self->dev, n, EACH), EACH);
	n += EACH;
	ASSERT_EQ(resized_realloc(self->dev, 8192, 4, RESIZE_PROCESS), 0);
	if (self->overwrite) {
		ASSERT_EQ(resized_replace(self->dev, RESIZE_PROCESS), 0);
		first = EACH;
	} else {
		EXPECT_EQ(resized_replace(self->dev, RESIZE_PROCESS), -EBUSY);
		EXPECT_EQ(resized_state(self->dev).generation, KEPT);
		ASSERT_EQ(read(self->fd, buf, EACH * RECORD), EACH * RECORD);
		EXPECT_TRUE(are_records(buf, EACH * RECORD, 0, EACH));
		/* It is still ready. */
		EXPECT_EQ(resized_replace(self->dev, RESIZE_PROCESS), 0);
	}
	s = resized_state(self->dev);
	EXPECT_EQ(s.generation, KEPT + 1);
	EXPECT_EQ(s.overwritten, first);
	EXPECT_EQ(s.unread, n - EACH);
	EXPECT_BALANCE(s);
	EXPECT_EQ(read_now(self->fd, buf, 0, sizeof(buf), 4096), (n - EACH) * RECORD);
	EXPECT_TRUE(are_records(buf, (n - EACH) * RECORD, EACH, n - EACH));
	ASSERT_EQ(ioctl(observer, RELAY_IOC_GET_LOST, &lost), 0);
	EXPECT_EQ(lost.records, n);
	s = resized_state(self->dev);
	EXPECT_EQ(s.overwritten, first);
	EXPECT_EQ(s.read, n - first);
	EXPECT_BALANCE(s);
	close(observer);
}

TEST_F(resize, what_is_older_than_what_was_overwritten_gives_way)
{
	uint32_t n = leave_unread(_metadata, self->dev, 0, 2), last;
	struct resize_state s;
	size_t got;

	if (!self->overwrite)
		SKIP(return, "of overwrite mode");
	/* 2 sub-buffers of 16 KiB, more than once. */
	ASSERT_EQ(resized_write(self->dev, n, 500), 500);
	n += 500;
	ASSERT_EQ(resized_to(self->dev, 4096, 4), 0);
	last = n;
	n = leave_unread(_metadata, self->dev, n, 1);
	got = read_now(self->fd, buf, 0, sizeof(buf), 4096);
	EXPECT_TRUE(are_records(buf, got, first_number(buf), n - first_number(buf)));
	EXPECT_GT(first_number(buf), 2 * EACH);
	EXPECT_LT(first_number(buf), last);
	s = resized_state(self->dev);
	EXPECT_EQ(s.overwritten, first_number(buf));
	EXPECT_EQ(s.read, n - first_number(buf));
	EXPECT_BALANCE(s);
}

TEST_F(resize, a_record_that_was_begun_is_finished)
{
	uint32_t n;
	size_t got;

	ASSERT_EQ(resized_write(self->dev, 0, 30), 30);
	n = leave_unread(_metadata, self->dev, 30, 1);
	ASSERT_EQ(read(self->fd, buf, 150), 150);
	/* In overwrite mode what it stands in is given up. */
	ASSERT_EQ(resized_write(self->dev, n, self->overwrite ? 1000 : 10),
		  self->overwrite ? 1000 : 10);
	n += self->overwrite ? 1000 : 10;
	ASSERT_EQ(resized_to(self->dev, 4096, 4), 0);
	got = read_now(self->fd, buf, 150, sizeof(buf), 4096);
	EXPECT_TRUE(are_records(buf, 40 * RECORD, 0, 40));
	if (!self->overwrite) {
		EXPECT_EQ(got, n * RECORD);
	} else {
		uint32_t first = first_number(buf + 40 * RECORD);

		EXPECT_GT(first, 40);
		EXPECT_TRUE(are_records(buf + 40 * RECORD, got - 40 * RECORD, first, n - first));
		EXPECT_EQ(resized_state(self->dev).overwritten, first - 40);
	}
	EXPECT_BALANCE(resized_state(self->dev));
}

TEST_F(resize, a_reset_throws_away_all_that_is_kept)
{
	int observer = observer_open(NAME ".d/cpu0", O_RDONLY | O_NONBLOCK);
	uint32_t n = leave_unread(_metadata, self->dev, 0, 4);
	struct resize_state s;

	ASSERT_EQ(read(self->fd, buf, 150), 150);
	ASSERT_EQ(read(observer, buf, 15 * RECORD), 15 * RECORD);
	ASSERT_EQ(ioctl(self->fd, RELAY_IOC_RESET), 0);
	ASSERT_EQ(resized_write(self->dev, n, 5), 5);
	EXPECT_EQ(read_now(observer, buf, 0, sizeof(buf), 4096), 5 * RECORD);
	EXPECT_TRUE(are_records(buf, 5 * RECORD, n, 5));
	EXPECT_EQ(read_now(self->fd, buf, 0, sizeof(buf), 4096), 5 * RECORD);
	EXPECT_TRUE(are_records(buf, 5 * RECORD, n, 5));
	s = resized_state(self->dev);
	EXPECT_EQ(s.produced, n + 5);
	EXPECT_EQ(s.unread, 0);
	EXPECT_BALANCE(s);
	close(observer);
}

/* Takes what is complete in a mapping, and says so; bytes in @buf from @at on. */
static size_t take_mapped(struct mapped *m, size_t at)
{
	const unsigned char *from;
	uint64_t len;

	while ((from = mapped_peek(m, &len, false))) {
		memcpy(buf + at, from, len);
		at += len;
		m->pos += len;
	}
	mapped_say(m);
	return at;
}

TEST_F(resize, a_mapped_consumer_is_led_from_one_to_the_next)
{
	struct relayfs_meta *first;
	size_t at = 0, len;
	struct mapped m;
	int buffers = 0;
	uint32_t n;
	bool ended;

	ASSERT_TRUE(mapped_open(&m, NAME ".d/cpu0"));
	first = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, m.fd, 0);
	n = leave_unread(_metadata, self->dev, 0, 2);
	EXPECT_EQ(first->generation, 2);
	n = leave_unread(_metadata, self->dev, n, 3);
	ASSERT_EQ(resized_write(self->dev, n, EACH), EACH);
	n += EACH;
	ASSERT_EQ(ioctl(self->dev, RESIZE_FLUSH), 0);
	EXPECT_EQ(first->generation, 5);
	do {
		len = take_mapped(&m, at);
		EXPECT_EQ(len - at, EACH * RECORD);
		at = len;
		buffers++;
		ended = m.meta->write_pos >> 63;
		EXPECT_EQ(ended, buffers < 6);
		EXPECT_EQ(resized_state(self->dev).read, buffers * EACH);
		mapped_unmap(&m);
		ASSERT_TRUE(mapped_map(&m));
	} while (ended && buffers < 20);
	EXPECT_EQ(buffers, 6);
	EXPECT_TRUE(are_records(buf, at, 0, n));
	EXPECT_BALANCE(resized_state(self->dev));
	/* A mapping of what is written now is given when all is consumed. */
	EXPECT_EQ(m.meta->generation, 5);
	EXPECT_EQ(m.meta->write_pos >> 63, 0);
	munmap(first, PAGE);
	mapped_close(&m);
}

TEST_HARNESS_MAIN
