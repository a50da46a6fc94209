// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's relay interface on relayfs: channels and their files in debugfs, from the beginning
 * to the end, and under load.
 */

#include "compat.h"

TEST_F(compat, open_tells_what_it_made)
{
	struct compat_state s;
	int cpu;

	ASSERT_EQ(client_open(self->dev, (struct compat_open){ 0 }), 0);
	for (cpu = 0; cpu < cpus(); cpu++) {
		s = client_state(self->dev, cpu);
		EXPECT_EQ(s.exists, 1);
		EXPECT_EQ(s.its_cpu, cpu);
		EXPECT_EQ(s.version, 7);
		EXPECT_EQ(s.subbuf_size, SIZE);
		EXPECT_EQ(s.n_subbufs, COUNT);
		EXPECT_GE(s.alloc_size, SIZE * COUNT);
		EXPECT_EQ(s.offset + s.produced + s.consumed + s.data, 0);
		close(open_file(cpu, 0));
	}
	EXPECT_EQ(s.created, cpus());
	EXPECT_EQ(s.is_global, 0);
	EXPECT_EQ(ioctl(self->dev, COMPAT_CLOSE), 0);
	EXPECT_EQ(client_state(self->dev, 0).removed, cpus());
}

TEST_F(compat, a_global_one_has_one_file)
{
	struct compat_state s;
	int fd, cpu;

	ASSERT_EQ(client_open(self->dev, (struct compat_open){ .flags = COMPAT_GLOBAL }), 0);
	s = client_state(self->dev, cpus() - 1);
	EXPECT_EQ(s.created, 1);
	EXPECT_EQ(s.is_global, 1);
	EXPECT_EQ(s.its_cpu, 0);
	EXPECT_EQ(s.exists, 1);
	fd = open_file(0, O_NONBLOCK);
	ASSERT_GE(fd, 0);
	for (cpu = 0; cpu < cpus(); cpu++) {
		ASSERT_EQ(pin_to_cpu(cpu), 0);
		EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, cpu * 2, 2, 100), 0);
	}
	EXPECT_EQ(read_records(fd, 0), cpus() * 2);
	close(fd);
	EXPECT_EQ(ioctl(self->dev, COMPAT_CLOSE), 0);
	EXPECT_EQ(client_state(self->dev, 0).removed, 1);
}

TEST_F(compat, open_fails_and_leaves_nothing)
{
	struct compat_state s;
	int at;

	EXPECT_EQ(client_open(self->dev, (struct compat_open){ .subbuf_size = 1ull << 32 }),
		  -ENOMEM);
	EXPECT_EQ(client_open(self->dev, (struct compat_open){ .n_subbufs = 1ull << 62 }),
		  -ENOMEM);
	EXPECT_EQ(client_state(self->dev, 0).created, 0);
	for (at = 1; at <= cpus(); at++) {
		EXPECT_EQ(client_open(self->dev, (struct compat_open){ .fail_at = at }), -ENOMEM);
		s = client_state(self->dev, 0);
		EXPECT_EQ(s.created, at);
		EXPECT_EQ(s.removed, at - 1);
	}
	/* A head that leaves no room. */
	EXPECT_EQ(client_open(self->dev, (struct compat_open){
		.flags = COMPAT_SUBBUF_START, .subbuf_size = HEAD + 2, .reserve = HEAD }), 0);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 0, 1, RECORD), 0);
	EXPECT_EQ(client_state(self->dev, 0).big_count, 1);
}

TEST_F(compat, a_file_cannot_be_opened_before_it_is_ready)
{
	ASSERT_EQ(client_open(self->dev, (struct compat_open){ .flags = COMPAT_OPENS_EARLY }), 0);
	EXPECT_EQ(client_state(self->dev, 0).early, -EAGAIN);
}

TEST_F(compat, without_a_name_there_is_no_file)
{
	ASSERT_EQ(client_open(self->dev, (struct compat_open){ .flags = COMPAT_NAMELESS }), 0);
	EXPECT_LT(open_file(0, 0), 0);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 0, 5, 100), 0);
	EXPECT_EQ(client_state(self->dev, 0).offset, 500);
}

/* Reads until end of file; gives the errno. */
struct tail {
	int fd;
	struct stream got;
	int error;
};

static void *read_tail(void *arg)
{
	struct tail *t = arg;

	t->error = drain(t->fd, &t->got);
	return NULL;
}

TEST_F(compat, who_waits_gets_the_tail_when_it_is_closed)
{
	struct tail t = { 0 };
	pthread_t thread;

	/* No more data until the end: the sub-buffer is not complete, nor is the interval over. */
	ASSERT_EQ(client_open(self->dev, (struct compat_open){ .flags = COMPAT_GLOBAL }), 0);
	t.fd = open_file(0, 0);
	ASSERT_EQ(pthread_create(&thread, NULL, read_tail, &t), 0);
	EXPECT_EQ(client_write(self->dev, COMPAT_RESERVE, 0, 3, 100), 0);
	EXPECT_EQ(ioctl(self->dev, COMPAT_CLOSE), 0);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	/* Or debugfs lets nobody read any more, if it came between two reads. */
	EXPECT_TRUE(t.error == 0 || t.error == EIO);
	if (t.error == 0)
		EXPECT_EQ(count_records(&t.got, 0), 3);
	free(t.got.data);
	close(t.fd);
}

TEST_F(compat, what_is_left_can_be_read_after_the_end)
{
	struct pollfd p = { .events = POLLIN };
	struct stream got = { 0 };
	uint32_t first = 0, heads;

	ASSERT_EQ(client_open(self->dev, (struct compat_open){
		.flags = COMPAT_SUBBUF_START | COMPAT_UNSAFE, .reserve = HEAD }), 0);
	p.fd = open_file(0, O_NONBLOCK);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 0, 20, 100), 0);
	EXPECT_EQ(ioctl(self->dev, COMPAT_CLOSE), 0);
	EXPECT_EQ(poll(&p, 1, 0), 1);
	EXPECT_EQ(p.revents, POLLIN);
	EXPECT_EQ(drain(p.fd, &got), 0);
	EXPECT_EQ(count_headed(&got, SIZE, &first, &heads), 20);
	EXPECT_EQ(poll(&p, 1, 0), 1);
	EXPECT_EQ(p.revents, POLLHUP);
	free(got.data);
	close(p.fd);
}

TEST_F(compat, can_be_mapped_where_the_host_lets_it)
{
	struct relayfs_meta *meta;
	int fd;

	ASSERT_EQ(client_open(self->dev, (struct compat_open){ .flags = COMPAT_UNSAFE }), 0);
	fd = open_file(0, 0);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 0, 20, 100), 0);
	meta = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(meta, MAP_FAILED);
	EXPECT_EQ(meta->magic, RELAYFS_MAGIC);
	EXPECT_EQ(meta->delivered, 1);
	EXPECT_EQ(meta->delivered_bytes, 1500);
	munmap(meta, PAGE);
	close(fd);
}

TEST_F(compat, a_cpu_that_comes_up_gets_a_buffer)
{
	int cpu = cpus() - 1, fd;

	if (cpu == 0 || cpu_set_online(cpu, false))
		SKIP(return, "one processor only");
	ASSERT_EQ(client_open(self->dev, (struct compat_open){ .flags = COMPAT_SUBBUF_START }), 0);
	EXPECT_EQ(client_state(self->dev, cpu).exists, 0);
	EXPECT_LT(open_file(cpu, 0), 0);
	ASSERT_EQ(cpu_set_online(cpu, true), 0);
	EXPECT_EQ(client_state(self->dev, cpu).created, cpu + 1);
	EXPECT_EQ(client_state(self->dev, cpu).its_cpu, cpu);
	fd = open_file(cpu, O_NONBLOCK);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(pin_to_cpu(cpu), 0);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 0, 30, 100), 0);
	EXPECT_EQ(read_records(fd, 0), 30);
	/* It keeps it when it goes, and uses it when it comes again. */
	ASSERT_EQ(pin_to_cpu(0), 0);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 0, 3, 100), 0);
	ASSERT_EQ(cpu_set_online(cpu, false), 0);
	EXPECT_EQ(ioctl(self->dev, COMPAT_FLUSH), 0);
	ASSERT_EQ(cpu_set_online(cpu, true), 0);
	EXPECT_EQ(client_state(self->dev, cpu).created, cpu + 1);
	close(fd);
}

/* Writers on a CPU, in all ways, until told to stop. */
struct writer {
	pthread_t thread;
	int dev, cpu;
	uint32_t next;
	bool *stop;
};

static void *write_until_stopped(void *arg)
{
	struct writer *w = arg;

	pin_to_cpu(w->cpu);
	while (!__atomic_load_n(w->stop, __ATOMIC_RELAXED)) {
		client_write(w->dev, w->next % 3 == 1 ? COMPAT_WRITE_IRQ :
			     w->next % 3 == 2 ? COMPAT_RESERVE : COMPAT_WRITE, w->next, 1,
			     RECORD + w->next % 300);
		w->next++;
	}
	return NULL;
}

TEST_F(compat, nothing_is_torn_or_missing_under_load)
{
	struct stream got = { 0 };
	uint32_t first = 0, heads;
	struct compat_state s;
	struct writer w = { .dev = self->dev, .cpu = cpus() - 1 };
	bool stop = false;
	int64_t total = 0, n;
	int round, fd;

	/* One writer, so that records are in order; another CPU reads, flushes and looks on. */
	ASSERT_EQ(client_open(self->dev, (struct compat_open){
		.flags = COMPAT_SUBBUF_START, .reserve = HEAD }), 0);
	w.stop = &stop;
	fd = open_file(w.cpu, O_NONBLOCK);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(pthread_create(&w.thread, NULL, write_until_stopped, &w), 0);
	for (round = 0; round < (int)scaled(400); round++) {
		EXPECT_EQ(drain(fd, &got), EAGAIN);
		if (round % 50 == 0)
			EXPECT_EQ(ioctl(self->dev, COMPAT_FLUSH), 0);
		client_state(self->dev, w.cpu);
		usleep(1000);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(pthread_join(w.thread, NULL), 0);
	EXPECT_EQ(ioctl(self->dev, COMPAT_FLUSH), 0);
	EXPECT_EQ(drain(fd, &got), EAGAIN);

	/* Records may be missing where there was no room: count them sub-buffer by sub-buffer. */
	for (size_t at = 0; at < got.len;) {
		struct compat_head h;
		struct stream one;

		memcpy(&h, got.data + at, sizeof(h));
		one.data = got.data + at;
		one.len = SIZE - h.padding;
		ASSERT_LE(at + one.len, got.len);
		n = count_headed(&one, SIZE, &first, &heads);
		ASSERT_GE(n, 0);
		first += n;
		total += n;
		at += one.len;
	}
	s = client_state(self->dev, w.cpu);
	EXPECT_EQ(total + s.full_count, w.next);
	EXPECT_EQ(s.big_count + s.lost_count, 0);
	free(got.data);
	close(fd);
}

TEST_HARNESS_MAIN
