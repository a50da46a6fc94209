/* SPDX-License-Identifier: GPL-2.0 */
/* A channel of each kind whose client is told of its buffers. */
#ifndef CALLBACKS_RIG_H
#define CALLBACKS_RIG_H

#include "callbacks.h"

#define SUBBUF	4096
#define START	32
#define END	16
#define FIRST	64	/* more in the first sub-buffer */
#define MARK	0x5a

FIXTURE(callbacks)
{
	int dev;
	uint32_t cpu;		/* as callbacks name the buffer of CPU 0 */
	bool locking;
	bool overwrite;
};

FIXTURE_VARIANT(callbacks)
{
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(callbacks, smp) { .flags = RELAY_USAGE_SMP };
FIXTURE_VARIANT_ADD(callbacks, smp_full) { .flags = RELAY_USAGE_SMP | RELAY_MODE_NO_OVERWRITE };
FIXTURE_VARIANT_ADD(callbacks, smp_locking) { .flags = RELAY_USAGE_SMP | RELAY_SCHEME_LOCKING };
FIXTURE_VARIANT_ADD(callbacks, global) { .flags = RELAY_USAGE_GLOBAL };

FIXTURE_VARIANT_ADD(callbacks, global_full)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_MODE_NO_OVERWRITE,
};

FIXTURE_VARIANT_ADD(callbacks, global_locking)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING,
};

FIXTURE_VARIANT_ADD(callbacks, global_locking_full)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING | RELAY_MODE_NO_OVERWRITE,
};

FIXTURE_SETUP(callbacks)
{
	self->locking = (variant->flags & RELAY_SCHEME_ANY) == RELAY_SCHEME_LOCKING;
	self->overwrite = !(variant->flags & RELAY_MODE_NO_OVERWRITE);
	self->cpu = variant->flags & RELAY_USAGE_GLOBAL ? RELAY_CPU_NONE : 0;
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->dev = callbacks_device();
	ASSERT_GE(self->dev, 0);
}

FIXTURE_TEARDOWN(callbacks)
{
	close(self->dev);
}

#define open_(n, which, more, ...) ASSERT_EQ(cb_open(self->dev, "c", (struct cb_open){ \
	.subbuf_size = SUBBUF, .n_subbufs = (n), .wanted = (which), \
	.flags = variant->flags | (more), ##__VA_ARGS__ }), 0)
#define behave_(...) ASSERT_EQ(cb_behave(self->dev, (struct cb_behave){ __VA_ARGS__ }), 0)
#define count_(what) cb_count(self->dev, what)
#define flush_() ASSERT_EQ(cb(self->dev, CB_FLUSH), 0)

static char in[1 << 20];
static char told[1 << 20];

#endif
