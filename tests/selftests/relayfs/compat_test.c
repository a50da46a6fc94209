// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's relay interface on relayfs: what a client written for it writes, and what its
 * callbacks are told.
 */

#include "compat.h"

TEST_F(compat, refuses_when_full_unless_told_otherwise)
{
	const uint32_t fit = COUNT * (SIZE / 100), more = 7;
	struct compat_state s;
	int fd;

	ASSERT_EQ(client_open(self->dev, (struct compat_open){ 0 }), 0);
	fd = open_file(0, O_NONBLOCK);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 0, fit, 100), 0);
	s = client_state(self->dev, 0);
	EXPECT_EQ(s.full, 0);
	EXPECT_EQ(s.produced, COUNT - 1);
	EXPECT_EQ(s.offset, SIZE);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, fit, more, 100), 0);
	s = client_state(self->dev, 0);
	EXPECT_EQ(s.full, 1);
	EXPECT_EQ(s.produced, COUNT);
	EXPECT_EQ(s.offset, SIZE + 1);
	EXPECT_EQ(s.full_count, more);
	EXPECT_EQ(ioctl(self->dev, COMPAT_STATS, RELAY_STATS_BUF_FULL), more);
	/* Nothing that was accepted is lost, and there is room again. */
	EXPECT_EQ(read_records(fd, 0), fit);
	s = client_state(self->dev, 0);
	EXPECT_EQ(s.full, 0);
	EXPECT_EQ(s.consumed, COUNT);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 500, 3, 100), 0);
	EXPECT_EQ(read_records(fd, 500), 3);
	EXPECT_EQ(ioctl(self->dev, COMPAT_STATS, RELAY_STATS_BUF_FULL), more);
	close(fd);
}

TEST_F(compat, counts_what_is_too_big)
{
	int fd;

	ASSERT_EQ(client_open(self->dev, (struct compat_open){ .flags = COMPAT_GLOBAL }), 0);
	fd = open_file(0, O_NONBLOCK);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 0, 2, SIZE + 1), 0);
	EXPECT_EQ(client_write(self->dev, COMPAT_RESERVE, 0, 2, SIZE + 1), 0);
	EXPECT_EQ(ioctl(self->dev, COMPAT_STATS, RELAY_STATS_WRT_BIG), 4);
	EXPECT_EQ(ioctl(self->dev, COMPAT_STATS, RELAY_STATS_BUF_FULL), 0);
	EXPECT_EQ(ioctl(self->dev, COMPAT_STATS, 7), 4);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 0, 1, SIZE), 0);
	EXPECT_EQ(read_records(fd, 0), 1);
	close(fd);
}

TEST_F(compat, the_client_begins_and_ends_subbufs)
{
	const uint32_t fit = COUNT * ((SIZE - HEAD) / 100);
	struct compat_state s;
	uint32_t first = 0, heads;
	struct stream got = { 0 };
	int fd;

	ASSERT_EQ(client_open(self->dev, (struct compat_open){
		.flags = COMPAT_SUBBUF_START, .reserve = HEAD }), 0);
	s = client_state(self->dev, 0);
	EXPECT_EQ(s.starts, cpus());
	EXPECT_EQ(s.begins, cpus());
	fd = open_file(0, O_NONBLOCK);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 0, fit + 5, 100), 0);
	s = client_state(self->dev, 0);
	/* When the last had ended, and then for each record. */
	EXPECT_EQ(s.starts, cpus() + COUNT - 1 + 1 + 5);
	EXPECT_EQ(s.refused, 6);
	EXPECT_EQ(s.full_count, 5);
	EXPECT_EQ(drain(fd, &got), EAGAIN);
	EXPECT_EQ(count_headed(&got, SIZE, &first, &heads), fit);
	EXPECT_EQ(heads, COUNT);
	EXPECT_EQ(first, 0);
	/* Now it is allowed, and what has not ended can be read when it is flushed. */
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 700, 3, 100), 0);
	got.len = 0;
	EXPECT_EQ(drain(fd, &got), EAGAIN);
	EXPECT_EQ(got.len, 0);
	EXPECT_EQ(ioctl(self->dev, COMPAT_FLUSH), 0);
	EXPECT_EQ(drain(fd, &got), EAGAIN);
	first = 700;
	EXPECT_EQ(count_headed(&got, SIZE, &first, &heads), 3);
	EXPECT_EQ(first, 700);
	free(got.data);
	close(fd);
}

TEST_F(compat, the_client_overwrites)
{
	const uint32_t all = 1000, per = (SIZE - HEAD) / 100;
	struct stream got = { 0 };
	uint32_t first = 0, heads;
	int64_t n;
	int fd;

	ASSERT_EQ(client_open(self->dev, (struct compat_open){
		.flags = COMPAT_SUBBUF_START | COMPAT_OVERWRITE, .reserve = HEAD }), 0);
	fd = open_file(0, O_NONBLOCK);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 0, all, 100), 0);
	EXPECT_EQ(ioctl(self->dev, COMPAT_STATS, 7), 0);
	EXPECT_EQ(ioctl(self->dev, COMPAT_FLUSH), 0);
	EXPECT_EQ(drain(fd, &got), EAGAIN);
	n = count_headed(&got, SIZE, &first, &heads);
	EXPECT_GE(heads, COUNT);
	EXPECT_GE(n, (COUNT - 1) * per + all % per);
	EXPECT_EQ(first + n, all);
	free(got.data);
	close(fd);
}

TEST_F(compat, the_reserve_is_that_of_the_beginning)
{
	struct stream got = { 0 };
	uint32_t first = 0, heads;
	int fd;

	ASSERT_EQ(client_open(self->dev, (struct compat_open){
		.flags = COMPAT_SUBBUF_START | COMPAT_GLOBAL | COMPAT_OTHER_RESERVE,
		.reserve = HEAD }), 0);
	fd = open_file(0, O_NONBLOCK);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 0, 40, 100), 0);
	EXPECT_EQ(ioctl(self->dev, COMPAT_FLUSH), 0);
	EXPECT_EQ(drain(fd, &got), EAGAIN);
	EXPECT_EQ(count_headed(&got, SIZE, &first, &heads), 40);
	free(got.data);
	close(fd);
}

TEST_F(compat, a_client_that_writes_where_it_must_not_is_refused)
{
	const uint32_t flags = COMPAT_SUBBUF_START | COMPAT_WRITES_IN_START | COMPAT_OVERWRITE;
	uint32_t global;
	int fd;

	for (global = 0; global < 2; global++) {
		ASSERT_EQ(client_open(self->dev, (struct compat_open){
			.flags = flags | (global ? COMPAT_GLOBAL : 0), .n_subbufs = 64 }), 0);
		fd = open_file(0, O_NONBLOCK);
		EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 0, 100, 100), 0);
		/* Before the channel was open as well. */
		EXPECT_GE(ioctl(self->dev, COMPAT_STATS, RELAY_STATS_WRT_LOST), 100 / 15);
		EXPECT_EQ(read_records(fd, 0), 100);
		close(fd);
		EXPECT_EQ(ioctl(self->dev, COMPAT_CLOSE), 0);
	}
}

TEST_F(compat, reset_begins_anew)
{
	struct stream got = { 0 };
	struct compat_state s;
	uint32_t first = 0, heads, begins;
	int fd;

	ASSERT_EQ(client_open(self->dev, (struct compat_open){
		.flags = COMPAT_SUBBUF_START, .reserve = HEAD }), 0);
	fd = open_file(0, O_NONBLOCK);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 0, 1000, 100), 0);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 0, 1, SIZE), 0);
	EXPECT_GT(ioctl(self->dev, COMPAT_STATS, 7), 0);
	begins = client_state(self->dev, 0).begins;
	EXPECT_EQ(ioctl(self->dev, COMPAT_RESET), 0);
	s = client_state(self->dev, 0);
	EXPECT_EQ(s.begins, begins + cpus());
	EXPECT_EQ(s.produced + s.consumed, 0);
	EXPECT_EQ(s.full_count + s.big_count, 0);
	EXPECT_EQ(s.full, 0);
	EXPECT_EQ(drain(fd, &got), EAGAIN);
	EXPECT_EQ(got.len, 0);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 77, 20, 100), 0);
	EXPECT_EQ(ioctl(self->dev, COMPAT_FLUSH), 0);
	EXPECT_EQ(drain(fd, &got), EAGAIN);
	first = 77;
	EXPECT_EQ(count_headed(&got, SIZE, &first, &heads), 20);
	EXPECT_EQ(heads, 2);
	free(got.data);
	close(fd);
}

TEST_F(compat, consumed_as_reported)
{
	const uint32_t per = SIZE / 100;
	struct compat_state s;
	int fd;

	ASSERT_EQ(client_open(self->dev, (struct compat_open){ 0 }), 0);
	fd = open_file(0, O_NONBLOCK);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 0, COUNT * per + 1, 100), 0);
	EXPECT_EQ(client_state(self->dev, 0).full, 1);
	EXPECT_EQ(client_consumed(self->dev, 0, 1), 0);
	s = client_state(self->dev, 0);
	EXPECT_EQ(s.full, 0);
	EXPECT_EQ(s.consumed, 1);
	EXPECT_EQ(s.produced, COUNT);
	/* What was reported is not read. */
	EXPECT_EQ(read_records(fd, per), (COUNT - 1) * per);
	/* No more than there is, whatever is said. */
	EXPECT_EQ(client_consumed(self->dev, 0, UINT64_MAX), 0);
	EXPECT_EQ(client_consumed(self->dev, 12345, 1), 0);
	EXPECT_EQ(client_state(self->dev, 0).consumed, COUNT);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 0, COUNT * per, 100), 0);
	EXPECT_EQ(client_consumed(self->dev, 0, UINT64_MAX), 0);
	s = client_state(self->dev, 0);
	EXPECT_EQ(s.consumed, s.produced);
	EXPECT_EQ(s.produced, 2 * COUNT - 1);
	/* What has not ended is not consumed by that. */
	EXPECT_EQ(read_records(fd, (COUNT - 1) * per), per);
	close(fd);
}

/*
 * As clients did it who map: the data is at the offset 0, the client says what was produced, and
 * tells relay what its user has consumed.
 */
TEST_F(compat, who_maps_gets_the_data)
{
	const uint32_t size = 4096, n = 4, len = 512, per = size / len;
	uint32_t lap, seq = 0, number = 0, refused;
	struct compat_state s;
	char *data, *whole;
	int fd;

	ASSERT_EQ(client_open(self->dev, (struct compat_open){
		.subbuf_size = size, .n_subbufs = n, .flags = COMPAT_UNSAFE }), 0);
	fd = open_file(0, O_RDONLY | O_NONBLOCK);
	s = client_state(self->dev, 0);
	ASSERT_EQ(s.alloc_size, size * n);
	EXPECT_EQ(mmap(NULL, size, PROT_READ, MAP_SHARED, fd, size), MAP_FAILED);
	EXPECT_EQ(errno, ENXIO);
	EXPECT_EQ(mmap(NULL, size * n - PAGE, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mmap(NULL, size * n, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EPERM);
	data = mmap(NULL, size * n, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(data, MAP_FAILED);
	EXPECT_EQ(mprotect(data, size * n, PROT_READ | PROT_WRITE), -1);
	for (lap = 0; lap < 5; lap++) {
		/* More than there is room for. */
		EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, number, n * per + 3, len), 0);
		for (s = client_state(self->dev, 0); seq < s.produced; seq++) {
			const unsigned char *at = (void *)(data + seq % n * size);
			struct relaytest_record r;

			for (uint32_t i = 0; i < per; i++, number++) {
				memcpy(&r, at + i * len, sizeof(r));
				EXPECT_EQ(r.number, number);
				EXPECT_EQ(record_check(at + i * len, len), len);
			}
			EXPECT_EQ(client_consumed(self->dev, 0, 1), 0);
		}
		EXPECT_EQ(seq, (lap + 1) * n);
		refused = client_state(self->dev, 0).full_count;
		EXPECT_EQ(refused, 3 * (lap + 1));
	}
	EXPECT_EQ(read_records(fd, 0), 0);
	/* What others know of files of relayfs is there as well. */
	whole = mmap(NULL, size * n + PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(whole, MAP_FAILED);
	EXPECT_EQ(((struct relayfs_meta *)whole)->magic, RELAYFS_MAGIC);
	EXPECT_EQ(memcmp(whole + PAGE, data, size * n), 0);
	munmap(whole, size * n + PAGE);
	munmap(data, size * n);
	close(fd);

	/* debugfs passes it on for files of its other kind only. */
	EXPECT_EQ(ioctl(self->dev, COMPAT_CLOSE), 0);
	ASSERT_EQ(client_open(self->dev, (struct compat_open){
		.subbuf_size = size, .n_subbufs = n }), 0);
	fd = open_file(0, O_RDONLY);
	EXPECT_EQ(mmap(NULL, size * n, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, ENODEV);
	close(fd);
}

TEST_F(compat, switch_ends_a_subbuf)
{
	struct compat_state s;
	int fd;

	ASSERT_EQ(client_open(self->dev, (struct compat_open){ 0 }), 0);
	fd = open_file(0, O_NONBLOCK);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 0, 1, 100), 0);
	EXPECT_EQ(ioctl(self->dev, COMPAT_SWITCH, SIZE), SIZE);
	EXPECT_EQ(ioctl(self->dev, COMPAT_SWITCH, SIZE + 1), 0);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 1, 1, 100), 0);
	EXPECT_EQ(ioctl(self->dev, COMPAT_SWITCH, 1), 1);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 2, 1, 100), 0);
	EXPECT_EQ(ioctl(self->dev, COMPAT_SWITCH, 1), 0);
	s = client_state(self->dev, 0);
	EXPECT_EQ(s.produced, COUNT);
	EXPECT_EQ(s.big_count, 1);
	EXPECT_EQ(s.full_count, 1);
	EXPECT_EQ(read_records(fd, 0), 3);
	close(fd);
}

TEST_F(compat, written_in_interrupts_and_in_place)
{
	static const uint32_t ways[] = { COMPAT_WRITE_IRQ, COMPAT_RESERVE, COMPAT_RESERVE_IRQ_OFF,
					 COMPAT_WRITE_FIRST };
	uint32_t global, way;
	int fd;

	for (global = 0; global < 2; global++) {
		ASSERT_EQ(client_open(self->dev, (struct compat_open){
			.flags = global ? COMPAT_GLOBAL : 0, .n_subbufs = 64 }), 0);
		fd = open_file(0, O_NONBLOCK);
		for (way = 0; way < 4; way++) {
			EXPECT_EQ(client_write(self->dev, ways[way], 1000, 200, 100), 0);
			EXPECT_EQ(ioctl(self->dev, COMPAT_FLUSH), 0);
			EXPECT_EQ(read_records(fd, 1000), 200);
		}
		EXPECT_EQ(ioctl(self->dev, COMPAT_STATS, 7), 0);
		close(fd);
		EXPECT_EQ(ioctl(self->dev, COMPAT_CLOSE), 0);
	}
}

TEST_F(compat, what_was_reserved_last_comes_by_itself)
{
	struct pollfd p = { .events = POLLIN };
	int fd;

	ASSERT_EQ(client_open(self->dev, (struct compat_open){ 0 }), 0);
	p.fd = open_file(0, O_NONBLOCK);
	EXPECT_EQ(client_write(self->dev, COMPAT_RESERVE, 0, 1, 100), 0);
	EXPECT_EQ(poll(&p, 1, -1), 1);
	EXPECT_EQ(read_records(p.fd, 0), 1);
	/* To a read that waits, too. */
	EXPECT_EQ(client_write(self->dev, COMPAT_RESERVE, 1, 1, 100), 0);
	fd = open_file(0, 0);
	char record[100];

	EXPECT_EQ(read(fd, record, sizeof(record)), 100);
	EXPECT_EQ(record_check((unsigned char *)record, 100), 100);
	/* The next one of the same context shows those before. */
	EXPECT_EQ(client_write(self->dev, COMPAT_RESERVE, 2, 2, 100), 0);
	EXPECT_EQ(client_write(self->dev, COMPAT_WRITE, 4, 1, 100), 0);
	EXPECT_EQ(read_records(p.fd, 2), 3);
	close(p.fd);
	close(fd);
}

static void *hold(void *arg)
{
	struct compat_hold h = { .len = 200, .number = 0, .nested = 1 };
	int dev = *(int *)arg;

	pin_to_cpu(0);
	return (void *)(long)(ioctl(dev, COMPAT_HOLD, &h) ? errno : 0);
}

TEST_F(compat, nothing_is_read_before_it_is_filled)
{
	struct pollfd p = { .events = POLLIN };
	pthread_t thread;
	int early;
	void *ret;

	ASSERT_EQ(client_open(self->dev, (struct compat_open){ 0 }), 0);
	p.fd = open_file(0, O_NONBLOCK);
	ASSERT_EQ(pthread_create(&thread, NULL, hold, &self->dev), 0);
	while (!client_state(self->dev, 0).held)
		sched_yield();
	/* A reader that waits, and an interrupt that has written behind it: nothing is seen. */
	early = poll(&p, 1, 700);
	EXPECT_EQ(early, 0);
	EXPECT_EQ(read_records(p.fd, 0), 0);
	EXPECT_EQ(ioctl(self->dev, COMPAT_GO), 0);
	EXPECT_EQ(pthread_join(thread, &ret), 0);
	EXPECT_EQ(ret, NULL);
	if (!early) {
		EXPECT_EQ(poll(&p, 1, -1), 1);
		EXPECT_EQ(read_records(p.fd, 0), 2);
	}
	close(p.fd);
}

TEST_HARNESS_MAIN
