// SPDX-License-Identifier: GPL-2.0
/* The life of sub-buffers: reserves, times, reset. */

#include "relaytest.h"

#define SUBBUF	4096

FIXTURE(life) {
	int dev;
	int id;
	int fd;
	int info;
};

FIXTURE_VARIANT(life) {
	uint32_t usage;
};

FIXTURE_VARIANT_ADD(life, smp) { .usage = RELAY_USAGE_SMP };
FIXTURE_VARIANT_ADD(life, global) { .usage = RELAY_USAGE_GLOBAL };
FIXTURE_VARIANT_ADD(life, smp_locking) { .usage = RELAY_USAGE_SMP | RELAY_SCHEME_LOCKING };
FIXTURE_VARIANT_ADD(life, global_locking) { .usage = RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING };

FIXTURE_SETUP(life)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->id = -1;
	self->fd = -1;
}

FIXTURE_TEARDOWN(life)
{
	close(self->fd);
	close(self->dev);
}

static void open_channel(struct __test_metadata *_metadata, FIXTURE_DATA(life) * self,
			 struct relaytest_open o)
{
	o.subbuf_size = SUBBUF;
	o.n_subbufs = 4;
	self->id = chan_open_attr(self->dev, "life", o);
	ASSERT_GE(self->id, 0);
	self->fd = file_open("life.d/cpu0", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(self->fd, 0);
}

static bool all_zero(const char *p, size_t n)
{
	while (n && !*p) {
		p++;
		n--;
	}
	return n == 0;
}

TEST_F(life, reserves_are_zero_around_the_records)
{
	char b[3 * SUBBUF], record[1000];

	open_channel(_metadata, self, (struct relaytest_open){
		.flags = variant->usage, .start_reserve = 24, .end_reserve = 100,
		.channel_start_reserve = 16 });
	memset(record, 'r', sizeof(record));
	/* Three fit, with 40 + 3000 + 100 bytes; the fourth goes to the next sub-buffer. */
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(chan_write(self->dev, self->id, record, 1000), 1000);
	ASSERT_EQ(read(self->fd, b, sizeof(b)), 40 + 3000 + 100 + 24 + 1000);
	EXPECT_TRUE(all_zero(b, 40));
	EXPECT_EQ(memcmp(b + 40, record, 1000), 0);
	EXPECT_TRUE(all_zero(b + 3040, 100 + 24));
	EXPECT_EQ(memcmp(b + 3164, record, 1000), 0);
	EXPECT_EQ(chan_flush(self->dev, self->id), 0);
	EXPECT_EQ(read(self->fd, b, sizeof(b)), 100);
	EXPECT_EQ(info("life", "cpu0", "produced", true), 4000);
	EXPECT_EQ(info("life", "cpu0", "read", true), 4000);
	EXPECT_EQ(info("life", "cpu0", "unread", true), 0);
}

TEST_F(life, the_longest_record_is_what_the_reserves_leave)
{
	static char record[SUBBUF];

	open_channel(_metadata, self, (struct relaytest_open){
		.flags = variant->usage, .start_reserve = 1000, .end_reserve = 1000,
		.channel_start_reserve = 96 });
	EXPECT_EQ(chan_write(self->dev, self->id, record, 2001), -EMSGSIZE);
	EXPECT_EQ(chan_write(self->dev, self->id, record, 2000), 2000);
	EXPECT_EQ(chan_write(self->dev, self->id, record, 2000), 2000);
}

TEST_F(life, reserves_without_room_are_refused)
{
	struct relaytest_open o = { .subbuf_size = SUBBUF, .n_subbufs = 2,
				    .flags = variant->usage, .start_reserve = 4000,
				    .end_reserve = 96 };

	EXPECT_EQ(chan_open_attr(self->dev, "life", o), -EINVAL);
	o.end_reserve = 0;
	o.channel_start_reserve = ~0u;
	EXPECT_EQ(chan_open_attr(self->dev, "life", o), -EINVAL);
	o.start_reserve = ~0u;
	EXPECT_EQ(chan_open_attr(self->dev, "life", o), -EINVAL);
	EXPECT_FALSE(file_exists("life"));
}

TEST_F(life, a_mapping_shows_reserves_and_times)
{
	char b[SUBBUF];

	open_channel(_metadata, self, (struct relaytest_open){
		.flags = variant->usage, .start_reserve = 8, .end_reserve = 12 });
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(chan_write(self->dev, self->id, b, 100), 100);
		ASSERT_EQ(chan_flush(self->dev, self->id), 0);
	}
	const struct relayfs_meta *m = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 0);

	ASSERT_NE((void *)m, MAP_FAILED);
	const struct relayfs_subbuf *sub = (void *)(m + 1);

	EXPECT_EQ(m->start_reserve, 8);
	EXPECT_EQ(m->end_reserve, 12);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(sub[i].data_start, 8);
		EXPECT_EQ(sub[i].data_len, 108);
		EXPECT_EQ(sub[i].bytes, 100);
		EXPECT_GT(sub[i].begin, 0);
		EXPECT_LE(sub[i].begin, sub[i].end);
		if (i)
			EXPECT_LE(sub[i - 1].end, sub[i].begin);
	}
	munmap((void *)m, PAGE);
}

TEST_F(life, a_reset_leaves_nothing_to_read_and_accounts_for_it)
{
	struct relaytest_pattern p = { .cpu = 0, .len = 100, .count = 70, .writer = 3 };
	static char b[8 * SUBBUF];

	open_channel(_metadata, self, (struct relaytest_open){
		.flags = variant->usage | RELAY_MODE_NO_OVERWRITE });
	p.id = self->id;
	ASSERT_EQ(chan_pattern(self->dev, &p), 0);
	ASSERT_EQ(p.written, 70);
	ASSERT_EQ(read(self->fd, b, 50), 50);
	EXPECT_EQ(chan_reset(self->dev, self->id), 0);
	EXPECT_EQ(read(self->fd, b, sizeof(b)), -1);
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(info("life", "cpu0", "unread", false), 0);
	EXPECT_EQ(info("life", "cpu0", "overwritten", false), 70);
	EXPECT_EQ(info("life", "cpu0", "overwritten", true), 7000 - 50);
	/* All of the ring is free again. */
	p.first = 70;
	p.count = 160;
	ASSERT_EQ(chan_pattern(self->dev, &p), 0);
	EXPECT_EQ(p.written, 160);
	ssize_t n = read(self->fd, b, sizeof(b));

	EXPECT_EQ(n, 16000);
	for (ssize_t at = 0; at < n; at += 100)
		ASSERT_EQ(record_check((void *)(b + at), n - at), 100);
	EXPECT_EQ(info("life", "cpu0", "produced", false), 230);
	EXPECT_EQ(info("life", "cpu0", "read", false), 160);
}

TEST_F(life, timestamps_are_chosen_at_open)
{
	const struct {
		uint32_t flags;
		uint32_t shown;
	} cases[] = {
		{ 0, RELAY_TIMESTAMP_MONO },
		{ RELAY_TIMESTAMP_MONO, RELAY_TIMESTAMP_MONO },
		{ RELAY_TIMESTAMP_ANY, RELAY_TIMESTAMP_MONO },
		{ RELAY_TIMESTAMP_TSC, RELAY_TIMESTAMP_TSC },
		{ RELAY_TIMESTAMP_NONE, RELAY_TIMESTAMP_NONE },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct timespec t;

		open_channel(_metadata, self, (struct relaytest_open){
			.flags = variant->usage | cases[i].flags });
		clock_gettime(CLOCK_MONOTONIC, &t);
		ASSERT_EQ(chan_write(self->dev, self->id, "x", 1), 1);
		const struct relayfs_meta *m = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 0);

		ASSERT_NE((void *)m, MAP_FAILED);
		const struct relayfs_subbuf *sub = (void *)(m + 1);

		EXPECT_EQ(m->flags & (RELAY_TIMESTAMP_ANY | RELAY_TIMESTAMP_NONE), cases[i].shown);
		switch (cases[i].shown) {
		case RELAY_TIMESTAMP_MONO:
			EXPECT_GE(sub->begin, t.tv_sec * 1000000000ull + t.tv_nsec);
			break;
		case RELAY_TIMESTAMP_TSC:
			EXPECT_NE(sub->begin, 0);
			break;
		default:
			EXPECT_EQ(sub->begin, 0);
		}
		munmap((void *)m, PAGE);
		close(self->fd);
		ASSERT_EQ(chan_close(self->dev, self->id), 0);
	}
	self->fd = -1;
}

TEST_F(life, two_timestamps_are_refused)
{
	const uint32_t both = RELAY_TIMESTAMP_TSC | RELAY_TIMESTAMP_NONE;

	EXPECT_EQ(chan_open(self->dev, "life", 0, 0, variant->usage | both), -EINVAL);
	EXPECT_EQ(chan_open(self->dev, "life", 0, 0,
			    variant->usage | RELAY_TIMESTAMP_ANY | RELAY_TIMESTAMP_NONE), -EINVAL);
}

TEST_HARNESS_MAIN
