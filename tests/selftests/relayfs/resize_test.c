// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers of another size take the place of the old ones: what is unread is read first, in order
 * and once; positions, waiting readers, mappings, counts and limits follow. torture_test does the
 * same while writers in every context are at work.
 */

#include "mapped.h"
#include "resizetest.h"
#include <pthread.h>

static unsigned char buf[4 << 20];

FIXTURE(resize)
{
	int dev, fd;
	bool overwrite;
	int64_t used;
};

FIXTURE_VARIANT(resize)
{
	uint32_t flags;
};

#define VARIANT(name, f) FIXTURE_VARIANT_ADD(resize, name) { .flags = f }
VARIANT(overwrite, RELAY_MODE_CONTINUOUS);
VARIANT(no_overwrite, RELAY_MODE_NO_OVERWRITE);
VARIANT(global_overwrite, RELAY_MODE_CONTINUOUS | RELAY_USAGE_GLOBAL);
VARIANT(global_no_overwrite, RELAY_MODE_NO_OVERWRITE | RELAY_USAGE_GLOBAL);
VARIANT(locking_overwrite, RELAY_MODE_CONTINUOUS | RELAY_SCHEME_LOCKING);
VARIANT(locking_no_overwrite, RELAY_MODE_NO_OVERWRITE | RELAY_SCHEME_LOCKING);
VARIANT(locking_global_overwrite,
	RELAY_MODE_CONTINUOUS | RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING);
VARIANT(locking_global_no_overwrite,
	RELAY_MODE_NO_OVERWRITE | RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING);

FIXTURE_SETUP(resize)
{
	struct resize_open o = { .subbuf_size = 4096, .n_subbufs = 4, .flags = variant->flags };

	self->dev = resize_device();
	ASSERT_GE(self->dev, 0);
	self->used = parameter_get("used_bytes");
	ASSERT_EQ(resized_open(self->dev, o), 0);
	self->overwrite = !(variant->flags & RELAY_MODE_NO_OVERWRITE);
	self->fd = file_open(NAME ".d/cpu0", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(self->fd, 0);
}

/* Whatever was done, all memory is given back. */
FIXTURE_TEARDOWN(resize)
{
	close(self->fd);
	close(self->dev);
	EXPECT_EQ(parameter_get("used_bytes"), self->used);
}

static const struct { uint64_t size; uint32_t n; } sizes[] = {
	{ 4096, 8 }, { 16384, 2 }, { 4096, 2 }, { 65536, 16 }, { 8192, 4 },
};

TEST_F(resize, what_is_unread_is_read_first)
{
	uint32_t next = 0, read = 0;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct resize_state s;
		size_t n;

		ASSERT_EQ(resized_write(self->dev, next, 30), 30);
		next += 30;
		ASSERT_EQ(resized_realloc(self->dev, sizes[i].size, sizes[i].n, RESIZE_PROCESS), 0);
		s = resized_state(self->dev);
		EXPECT_EQ(s.generation, i);
		ASSERT_EQ(resized_replace(self->dev, RESIZE_PROCESS), 0);
		s = resized_state(self->dev);
		EXPECT_EQ(s.generation, i + 1);
		EXPECT_EQ(s.subbuf_size, sizes[i].size);
		EXPECT_EQ(s.n_subbufs, sizes[i].n);
		EXPECT_EQ(s.unread, next - read);
		EXPECT_BALANCE(s);
		ASSERT_EQ(resized_write(self->dev, next, 20), 20);
		next += 20;
		n = read_now(self->fd, buf, 0, sizeof(buf), i % 2 ? sizeof(buf) : 77);
		EXPECT_TRUE(are_records(buf, n, read, next - read));
		read = next;
		s = resized_state(self->dev);
		EXPECT_EQ(s.read, read);
		EXPECT_EQ(s.read_bytes, read * RECORD);
		EXPECT_EQ(s.unread, 0);
		EXPECT_BALANCE(s);
		EXPECT_EQ(info(NAME, "generation", "generation", false), -1);
	}
}

TEST_F(resize, who_reads_all_follows_too)
{
	int fd = file_open(NAME, O_RDONLY | O_NONBLOCK);
	size_t n;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(resized_write(self->dev, 0, 30), 30);
	/* Not at the end of a record. */
	ASSERT_EQ(read(fd, buf, 250), 250);
	ASSERT_EQ(resized_to(self->dev, 16384, 2), 0);
	ASSERT_EQ(resized_write(self->dev, 30, 20), 20);
	n = read_now(fd, buf, 250, sizeof(buf), 1000);
	EXPECT_TRUE(are_records(buf, n, 0, 50));
	close(fd);
}

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

TEST_F(resize, observers_miss_exactly_what_is_gone)
{
	int behind = observer_open(NAME ".d/cpu0", O_RDONLY | O_NONBLOCK);
	int inside = observer_open(NAME ".d/cpu0", O_RDONLY | O_NONBLOCK);
	int late = observer_open(NAME ".d/cpu0", O_RDONLY | O_NONBLOCK);
	struct relayfs_lost lost;
	size_t n;

	ASSERT_EQ(resized_write(self->dev, 0, 10), 10);
	ASSERT_EQ(read(behind, buf, 10 * RECORD), 10 * RECORD);
	ASSERT_EQ(resized_write(self->dev, 10, 10), 10);
	ASSERT_EQ(read(inside, buf, 150), 150);
	ASSERT_EQ(resized_to(self->dev, 4096, 8), 0);
	/* The consumer passes on, so the old one is dropped. */
	n = read_now(self->fd, buf, 0, sizeof(buf), 4096);
	EXPECT_TRUE(are_records(buf, n, 0, 20));
	ASSERT_EQ(resized_write(self->dev, 20, 10), 10);

	n = read_now(behind, buf, 0, sizeof(buf), 4096);
	EXPECT_TRUE(are_records(buf, n, 20, 10));
	ASSERT_EQ(ioctl(behind, RELAY_IOC_GET_LOST, &lost), 0);
	EXPECT_EQ(lost.records, 10);
	EXPECT_EQ(lost.bytes, 10 * RECORD);

	/* A run that was begun is finished: no record is cut. */
	n = read_now(inside, buf, 0, sizeof(buf), 4096);
	EXPECT_TRUE(are_records(buf + RECORD / 2, n - RECORD / 2, 2, 28));
	ASSERT_EQ(ioctl(inside, RELAY_IOC_GET_LOST, &lost), 0);
	EXPECT_EQ(lost.records, 0);

	ASSERT_EQ(ioctl(late, RELAY_IOC_GET_LOST, &lost), 0);
	EXPECT_EQ(lost.records, 20);
	n = read_now(late, buf, 0, sizeof(buf), 4096);
	EXPECT_TRUE(are_records(buf, n, 20, 10));
	ASSERT_EQ(ioctl(late, RELAY_IOC_GET_LOST, &lost), 0);
	EXPECT_EQ(lost.records, 20);
	EXPECT_EQ(lost.bytes, 20 * RECORD);
	close(behind);
	close(inside);
	close(late);
}

TEST_F(resize, an_old_mapping_stays_and_says_so)
{
	struct relayfs_meta *m, *old, *new;
	size_t len, new_len;

	m = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(m, MAP_FAILED);
	EXPECT_EQ(m->generation, 0);
	len = m->data_offset + m->subbuf_size * m->n_subbufs;
	old = mmap(NULL, len, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(old, MAP_FAILED);
	ASSERT_EQ(resized_write(self->dev, 0, 10), 10);
	ASSERT_EQ(resized_to(self->dev, 8192, 8), 0);
	EXPECT_EQ(__atomic_load_n(&old->generation, __ATOMIC_ACQUIRE), 1);
	EXPECT_EQ(m->generation, 1);
	EXPECT_EQ(old->write_pos >> 63, 1);
	EXPECT_EQ(old->delivered, 1);
	EXPECT_EQ(old->delivered_records, 10);
	ASSERT_EQ(resized_write(self->dev, 10, 10), 10);
	/* Also when all is read, and the buffer is gone but for us. */
	EXPECT_EQ(read_now(self->fd, buf, 0, sizeof(buf), 4096), 20 * RECORD);
	EXPECT_TRUE(are_records((void *)old + old->data_offset, 10 * RECORD, 0, 10));
	EXPECT_EQ(mmap(NULL, len, PROT_READ, MAP_SHARED, self->fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);

	EXPECT_EQ(munmap(m, PAGE), 0);
	m = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(m, MAP_FAILED);
	EXPECT_EQ(m->generation, 1);
	EXPECT_EQ(m->subbuf_size, 8192);
	EXPECT_EQ(m->n_subbufs, 8);
	EXPECT_EQ(m->write_pos >> 63, 0);
	EXPECT_GE(m->write_pos, old->write_pos & ~(1ull << 63));
	new_len = m->data_offset + m->subbuf_size * m->n_subbufs;
	new = mmap(NULL, new_len, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(new, MAP_FAILED);
	/* The ring's first sub-buffer is where its number says. */
	EXPECT_TRUE(are_records((void *)new + new->data_offset +
				new->write_pos / 8192 % 8 * 8192, 10 * RECORD, 10, 10));
	munmap(old, len);
	munmap(new, new_len);
	munmap(m, PAGE);
}

static void *read_blocking(void *arg)
{
	int fd = file_open(NAME ".d/cpu0", O_RDONLY);
	size_t at = 0;
	ssize_t got = 1;

	while (got > 0 && at < *(size_t *)arg) {
		got = read(fd, buf + at, sizeof(buf) - at);
		at += got > 0 ? got : 0;
	}
	close(fd);
	*(size_t *)arg = at;
	return NULL;
}

TEST_F(resize, who_sleeps_is_woken_by_what_comes_later)
{
	struct pollfd p = { .fd = self->fd, .events = POLLIN };
	size_t wanted = 30 * RECORD;
	pthread_t thread;

	EXPECT_EQ(poll(&p, 1, 0), 0);
	ASSERT_EQ(pthread_create(&thread, NULL, read_blocking, &wanted), 0);
	usleep(50000);
	ASSERT_EQ(resized_to(self->dev, 8192, 4), 0);
	ASSERT_EQ(resized_write(self->dev, 0, 15), 15);
	ASSERT_EQ(resized_realloc(self->dev, 4096, 8, RESIZE_PROCESS), 0);
	/* As long as the reader has not passed on. */
	while (resized_replace(self->dev, RESIZE_PROCESS) == -EBUSY)
		usleep(1000);
	ASSERT_EQ(resized_write(self->dev, 15, 15), 15);
	pthread_join(thread, NULL);
	EXPECT_TRUE(are_records(buf, wanted, 0, 30));
	EXPECT_EQ(poll(&p, 1, 0), 0);
	ASSERT_EQ(resized_write(self->dev, 30, 1), 1);
	EXPECT_EQ(poll(&p, 1, -1), 1);
	EXPECT_EQ(p.revents, POLLIN);
}

TEST_F(resize, a_flush_ends_what_is_written_now)
{
	ASSERT_EQ(resized_write(self->dev, 0, 5), 5);
	ASSERT_EQ(resized_to(self->dev, 8192, 4), 0);
	ASSERT_EQ(resized_write(self->dev, 5, 5), 5);
	ASSERT_EQ(ioctl(self->dev, RESIZE_FLUSH), 0);
	EXPECT_EQ(resized_state(self->dev).subbufs_produced, 2);
	EXPECT_TRUE(are_records(buf, read_now(self->fd, buf, 0, sizeof(buf), 4096), 0, 10));
	EXPECT_EQ(resized_state(self->dev).subbufs_consumed, 2);
}

TEST_F(resize, wherever_it_is_asked_for)
{
	static const int contexts[] = { RESIZE_ATOMIC, RESIZE_HARDIRQ, RESIZE_NMI };
	uint64_t generation = 0;

	for (int i = 0; i < 3; i++) {
		int context = contexts[i], ret;

		EXPECT_EQ(resized_replace(self->dev, context), -EAGAIN);
		EXPECT_EQ(resized_realloc(self->dev, 3000, 4, context), -EINVAL);
		ret = resized_realloc(self->dev, 4096, 4 << i, context);
		if (ret == -EOPNOTSUPP)
			continue;
		EXPECT_EQ(ret, -EINPROGRESS);
		/* Until the worker has done it. */
		do {
			ret = resized_replace(self->dev, context);
			usleep(1000);
		} while (ret == -EAGAIN || ret == -EBUSY);
		EXPECT_EQ(ret, -EINPROGRESS);
		while (resized_state(self->dev).generation == generation)
			usleep(1000);
		generation++;
		EXPECT_EQ(resized_state(self->dev).n_subbufs, 4u << i);
		EXPECT_EQ(resized_write(self->dev, i, 1), 1);
		/* Readers pass on when the worker has waited for writers. */
		while (resized_state(self->dev).unread)
			read_now(self->fd, buf, 0, sizeof(buf), 4096);
		/* And it is in no hurry to say that it is done. */
		while (resized_realloc(self->dev, 0, 0, RESIZE_PROCESS) == -EBUSY)
			usleep(1000);
		EXPECT_EQ(resized_replace(self->dev, RESIZE_PROCESS), 0);
		generation++;
		EXPECT_EQ(resized_state(self->dev).n_subbufs, 4u << i);
	}
}

TEST_F(resize, what_cannot_be_changes_nothing)
{
	int64_t before = parameter_get("used_bytes"), limit = parameter_get("max_bytes"), ready;
	struct resize_state s;

	ASSERT_EQ(resized_write(self->dev, 0, 10), 10);
	EXPECT_EQ(resized_replace(self->dev, RESIZE_PROCESS), -EAGAIN);
	EXPECT_EQ(resized_realloc(self->dev, 2048, 4, RESIZE_PROCESS), -EINVAL);
	EXPECT_EQ(resized_realloc(self->dev, 12288, 4, RESIZE_PROCESS), -EINVAL);
	EXPECT_EQ(resized_realloc(self->dev, 4096, 1, RESIZE_PROCESS), -EINVAL);
	EXPECT_EQ(resized_realloc(self->dev, 4096, 6, RESIZE_PROCESS), -EINVAL);
	EXPECT_EQ(resized_realloc(self->dev, 1 << 29, 4, RESIZE_PROCESS), -E2BIG);
	EXPECT_EQ(resized_realloc(self->dev, 1ull << 40, 4, RESIZE_PROCESS), -E2BIG);
	EXPECT_EQ(parameter_get("used_bytes"), before);
	EXPECT_EQ(resized_replace(self->dev, RESIZE_PROCESS), -EAGAIN);

	ASSERT_EQ(parameter_set("max_bytes", before + 65536), 0);
	EXPECT_EQ(resized_realloc(self->dev, 1 << 20, 4, RESIZE_PROCESS), -ENOMEM);
	EXPECT_EQ(parameter_get("used_bytes"), before);
	ASSERT_EQ(parameter_set("max_bytes", limit), 0);

	/* What is ready counts, and goes when something else gets ready. */
	ASSERT_EQ(resized_realloc(self->dev, 8192, 4, RESIZE_PROCESS), 0);
	ready = parameter_get("used_bytes");
	EXPECT_GT(ready, before);
	ASSERT_EQ(resized_realloc(self->dev, 8192, 4, RESIZE_PROCESS), 0);
	EXPECT_EQ(parameter_get("used_bytes"), ready);
	s = resized_state(self->dev);
	EXPECT_EQ(s.generation, 0);
	EXPECT_EQ(s.n_subbufs, 4);
	EXPECT_EQ(s.subbuf_size, 4096);
	EXPECT_TRUE(are_records(buf, read_now(self->fd, buf, 0, sizeof(buf), 4096), 0, 10));
	ASSERT_EQ(resized_replace(self->dev, RESIZE_PROCESS), 0);
	/* The old ones were read, so they are gone. */
	EXPECT_EQ(parameter_get("used_bytes"), ready - before + self->used);
	EXPECT_EQ(resized_replace(self->dev, RESIZE_PROCESS), -EAGAIN);

	ASSERT_EQ(ioctl(self->dev, RESIZE_KEEP), 0);
	ASSERT_EQ(ioctl(self->dev, RESIZE_CLOSE), 0);
	for (int context = RESIZE_PROCESS; context <= RESIZE_HARDIRQ; context++) {
		EXPECT_EQ(resized_realloc(self->dev, 4096, 4, context), -ESHUTDOWN);
		EXPECT_EQ(resized_replace(self->dev, context), -ESHUTDOWN);
	}
	EXPECT_EQ(ioctl(self->dev, RESIZE_DISCARD), -1);
	EXPECT_EQ(errno, ESHUTDOWN);
}

TEST_F(resize, the_end_comes_after_a_resize_nobody_has_read)
{
	struct pollfd p = { .fd = self->fd, .events = POLLIN };

	ASSERT_EQ(resized_write(self->dev, 0, 10), 10);
	ASSERT_EQ(resized_to(self->dev, 16384, 2), 0);
	ASSERT_EQ(resized_write(self->dev, 10, 10), 10);
	ASSERT_EQ(resized_realloc(self->dev, 4096, 2, RESIZE_PROCESS), 0);
	ASSERT_EQ(ioctl(self->dev, RESIZE_CLOSE), 0);
	EXPECT_EQ(poll(&p, 1, -1), 1);
	EXPECT_EQ(p.revents & (POLLIN | POLLHUP), POLLIN);
	EXPECT_TRUE(are_records(buf, read_now(self->fd, buf, 0, sizeof(buf), 333), 0, 20));
	EXPECT_EQ(read(self->fd, buf, 1), 0);
	EXPECT_EQ(poll(&p, 1, -1), 1);
	EXPECT_EQ(p.revents, POLLHUP);
}

TEST_F(resize, a_cpu_that_comes_later_is_as_the_others_are)
{
	struct relayfs_meta *m;
	int fd;

	if (variant->flags & RELAY_USAGE_GLOBAL || cpus() < 2 || cpu_set_online(1, false))
		SKIP(return, "needs a second CPU, and a buffer for each");
	ASSERT_EQ(ioctl(self->dev, RESIZE_CLOSE), 0);
	ASSERT_EQ(resized_open(self->dev, (struct resize_open){ .subbuf_size = 4096,
			       .n_subbufs = 4, .flags = variant->flags }), 0);
	ASSERT_EQ(resized_realloc(self->dev, 16384, 2, RESIZE_PROCESS), 0);
	/* One that has come up in between, too. */
	if (variant->flags & RELAY_SCHEME_LOCKING)
		ASSERT_EQ(cpu_set_online(1, true), 0);
	ASSERT_EQ(resized_replace(self->dev, RESIZE_PROCESS), 0);
	ASSERT_EQ(cpu_set_online(1, true), 0);
	fd = file_open(NAME ".d/cpu1", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(fd, 0);
	m = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(m, MAP_FAILED);
	EXPECT_EQ(m->subbuf_size, 16384);
	EXPECT_EQ(m->n_subbufs, 2);
	EXPECT_EQ(m->generation, 1);
	munmap(m, PAGE);
	close(fd);
}

TEST_HARNESS_MAIN
