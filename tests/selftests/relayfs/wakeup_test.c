// SPDX-License-Identifier: GPL-2.0
/*
 * Wake-ups: none is lost and none is too many. Two kthreads, writer and sleeping reader by turns,
 * hand a token to and fro as fast as the machine can; nothing else would wake them for a minute.
 *
 * WAKEUP_ROUNDS: rounds of each variant, 1000000 if not set. Less of all on slow kernels.
 * WAKEUP_MS: after how long each variant ends all the same; 0: never. If not set, 3000, and 20000
 * for the plain one between two processors; and where there is only one, where a round is quickest,
 * one variant then plays all rounds.
 */

#include <relayfs_wakeup.h>
#include "relaytest.h"

#define SUBBUF	4096

static uint32_t setting(const char *name, uint32_t usual)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 10) : scaled(usual);
}

FIXTURE(wakeup)
{
	int dev, ping, pong;
	char file[2][32];
};

FIXTURE_VARIANT(wakeup)
{
	uint32_t flags;
	uint32_t len, batch;	/* of a record, and of what is awaited, in bytes */
	uint32_t grain;		/* bytes per wake-up, at least */
	uint32_t ms;		/* 0: as usual */
	bool one_cpu;
	const char *file;
};

FIXTURE_VARIANT_ADD(wakeup, packet)
{
	.flags = RELAY_DELIVERY_PACKET, .len = 8, .batch = 8, .grain = 8, .ms = 20000,
	.file = "%s.d/cpu%d",
};

FIXTURE_VARIANT_ADD(wakeup, packet_one_cpu)
{
	.flags = RELAY_DELIVERY_PACKET, .len = 8, .batch = 8, .grain = 8, .one_cpu = true,
	.file = "%s.d/cpu%d",
};

FIXTURE_VARIANT_ADD(wakeup, packet_whole)
{
	.flags = RELAY_DELIVERY_PACKET, .len = 8, .batch = 16, .grain = 8,
	.file = "%s",
};

FIXTURE_VARIANT_ADD(wakeup, packet_global)
{
	.flags = RELAY_DELIVERY_PACKET | RELAY_USAGE_GLOBAL, .len = 8, .batch = 8, .grain = 8,
	.file = "%s.d/cpu0",
};

FIXTURE_VARIANT_ADD(wakeup, bulk)
{
	.flags = RELAY_DELIVERY_BULK, .len = SUBBUF, .batch = SUBBUF, .grain = SUBBUF,
	.file = "%s.d/cpu%d",
};

FIXTURE_VARIANT_ADD(wakeup, bulk_of_many)
{
	.flags = RELAY_DELIVERY_BULK, .len = SUBBUF / 4, .batch = SUBBUF, .grain = SUBBUF,
	.file = "%s.d/cpu%d",
};

FIXTURE_VARIANT_ADD(wakeup, bulk_whole)
{
	.flags = RELAY_DELIVERY_BULK, .len = SUBBUF, .batch = SUBBUF, .grain = SUBBUF,
	.file = "%s",
};

FIXTURE_SETUP(wakeup)
{
	struct wakeup_open o = { .flags = variant->flags | RELAY_MODE_NO_OVERWRITE };
	int other = variant->one_cpu || cpus() == 1 ? 0 : 1;

	if (access("/dev/relayfs_wakeup", F_OK))
		load_module("relayfs_wakeup");
	self->dev = open("/dev/relayfs_wakeup", O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(ioctl(self->dev, WAKEUP_OPEN, &o), 0);
	snprintf(self->file[0], sizeof(self->file[0]), variant->file, "ping", 0);
	snprintf(self->file[1], sizeof(self->file[1]), variant->file, "pong", other);
	self->ping = file_open(self->file[0], O_RDONLY);
	ASSERT_GE(self->ping, 0);
	self->pong = file_open(self->file[1], O_RDONLY);
	ASSERT_GE(self->pong, 0);
}

FIXTURE_TEARDOWN(wakeup)
{
	close(self->ping);
	close(self->pong);
	close(self->dev);
}

TEST_F_TIMEOUT(wakeup, none_lost, 1800)
{
	struct wakeup_rounds r = {
		.ping_fd = self->ping, .pong_fd = self->pong,
		.cpu = { 0, variant->one_cpu || cpus() == 1 ? 0 : 1 },
		.rounds = setting("WAKEUP_ROUNDS", 1000000),
		.ms = setting("WAKEUP_MS", variant->ms ?: 3000),
		.len = variant->len, .batch_bytes = variant->batch,
	};
	double begin = seconds();
	uint64_t grains;

	if (variant->one_cpu && cpus() == 1 && !getenv("WAKEUP_MS"))
		r.ms = 0;

	ASSERT_EQ(ioctl(self->dev, WAKEUP_ROUNDS, &r), 0);
	TH_LOG("%lu rounds, %.1f us each, %lu and %lu sleeps", (unsigned long)r.done,
	       (seconds() - begin) * 1e6 / r.done, (unsigned long)r.sleeps[0],
	       (unsigned long)r.sleeps[1]);
	grains = r.done * variant->batch / variant->grain;
	EXPECT_EQ(r.lost, 0);
	EXPECT_EQ(r.wrong, 0);
	EXPECT_GT(r.done, 0);
	if (!r.ms)
		EXPECT_EQ(r.done, r.rounds);
	/* A reader sleeps again only after it was woken: at most once per grain, and at the end. */
	EXPECT_LE(r.sleeps[0], grains + 2);
	EXPECT_LE(r.sleeps[1], grains + 2);
}

TEST_F(wakeup, one_per_grain)
{
	struct wakeup_count c = { .fd = self->ping, .len = 64, .records = SUBBUF / 64 * 3 };

	/* One that is always queued is woken as often as the writers think right. */
	ASSERT_EQ(pin_to_cpu(0), 0);
	ASSERT_EQ(ioctl(self->dev, WAKEUP_COUNT, &c), 0);
	EXPECT_GE(c.woken, 1);
	EXPECT_LE(c.woken, variant->flags & RELAY_DELIVERY_BULK ? 3 : c.records);
	c.records = 1;
	ASSERT_EQ(ioctl(self->dev, WAKEUP_COUNT, &c), 0);
	EXPECT_EQ(c.woken, variant->flags & RELAY_DELIVERY_BULK ? 0 : 1);
}

TEST_HARNESS_MAIN
