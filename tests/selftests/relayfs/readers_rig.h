/* SPDX-License-Identifier: GPL-2.0 */
/* A channel of each kind, to be read in the kernel. */
#ifndef READERS_RIG_H
#define READERS_RIG_H

#include "readers.h"

FIXTURE(readers)
{
	int dev;
	int id;
	uint32_t cpu;	/* whose buffer CPU 0 writes to, for cpu readers */
};

FIXTURE_VARIANT(readers)
{
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(readers, smp) { .flags = SMP };
FIXTURE_VARIANT_ADD(readers, smp_keep) { .flags = SMP | KEEP };
FIXTURE_VARIANT_ADD(readers, global) { .flags = GLOBAL };
FIXTURE_VARIANT_ADD(readers, global_keep) { .flags = GLOBAL | KEEP };
FIXTURE_VARIANT_ADD(readers, smp_locking) { .flags = SMP | LOCKING };
FIXTURE_VARIANT_ADD(readers, smp_locking_keep) { .flags = SMP | LOCKING | KEEP };
FIXTURE_VARIANT_ADD(readers, global_locking) { .flags = GLOBAL | LOCKING };
FIXTURE_VARIANT_ADD(readers, global_locking_keep) { .flags = GLOBAL | LOCKING | KEEP };

static unsigned char out[64 * SUBBUF], in[64 * SUBBUF];

FIXTURE_SETUP(readers)
{
	self->dev = calls_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->cpu = variant->flags & GLOBAL ? RELAY_CPU_NONE : 0;
	self->id = calls_open(self->dev, "r", (struct calls_open){
		.subbuf_size = SUBBUF, .n_subbufs = N, .flags = variant->flags });
	ASSERT_GE(self->id, 0);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = i * 7 + i / 251;
}

FIXTURE_TEARDOWN(readers)
{
	close(self->dev);
}

/* Writes bytes of out. */
#define put_(from, n) \
	({ long len = (n); \
	   ASSERT_EQ(calls_write(self->dev, self->id, out + (from), len), len); })
#define info_()		calls_info(self->dev, self->id)
#define sum_() \
	({ struct rchan_info sum = info_(); EXPECT_TRUE(adds_up(&sum)); sum; })

#endif
