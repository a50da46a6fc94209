// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers of another size take the place of the old ones: what is unread is read first, in order
 * and once; positions, waiting readers, mappings, counts and limits follow. torture_test does the
 * same while writers in every context are at work.
 */

#include "resize_rig.h"
#include <pthread.h>

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
