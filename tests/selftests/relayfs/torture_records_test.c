// SPDX-License-Identifier: GPL-2.0
/*
 * Events written in every context of every CPU, nested in one another: each is whole, times do not
 * go back, by any clock, events lie within the times of their packet, packets have one number after
 * the other, or gaps where some were overwritten; and all that was written was read or is counted.
 */

#include "torture_account.h"

#define MONO	(RELAY_FORMAT_RECORDS | RELAY_TIMESTAMP_MONO)
#define TSC	(RELAY_FORMAT_RECORDS | RELAY_TIMESTAMP_TSC)

FIXTURE_VARIANT_ADD(torture, mono_overwrite)
{
	.flags = MONO | RELAY_MODE_CONTINUOUS, .subbuf_size = 4096,
	.n_subbufs = 4,
};

FIXTURE_VARIANT_ADD(torture, mono_no_overwrite)
{
	.flags = MONO | RELAY_MODE_NO_OVERWRITE, .subbuf_size = 4096,
	.n_subbufs = 2,
};

FIXTURE_VARIANT_ADD(torture, tsc_overwrite)
{
	.flags = TSC | RELAY_MODE_CONTINUOUS, .subbuf_size = 65536,
	.n_subbufs = 4,
};

FIXTURE_VARIANT_ADD(torture, tsc_no_overwrite)
{
	.flags = TSC | RELAY_MODE_NO_OVERWRITE, .subbuf_size = 16384,
	.n_subbufs = 8,
};

FIXTURE_VARIANT_ADD(torture, mono_global_no_overwrite)
{
	.flags = MONO | RELAY_USAGE_GLOBAL | RELAY_MODE_NO_OVERWRITE,
	.subbuf_size = 16384, .n_subbufs = 4,
};

FIXTURE_VARIANT_ADD(torture, tsc_global_overwrite)
{
	.flags = TSC | RELAY_USAGE_GLOBAL | RELAY_MODE_CONTINUOUS,
	.subbuf_size = 4096, .n_subbufs = 8,
};

FIXTURE_VARIANT_ADD(torture, mono_locking_overwrite)
{
	.flags = MONO | RELAY_SCHEME_LOCKING | RELAY_MODE_CONTINUOUS,
	.subbuf_size = 4096, .n_subbufs = 4,
};

TEST_F_TIMEOUT(torture, a_reader_per_buffer, 300)
{
	add_buffer_readers(_metadata, &self->rig, BLOCKING | ALONE);
	add_buffer_readers(_metadata, &self->rig, OBSERVING);
	run(_metadata, &self->rig);
}

/* Packets are made for it, of the events of all. */
TEST_F_TIMEOUT(torture, whole_channel, 300)
{
	add_reader(_metadata, &self->rig, WHOLE, POLLING);
	add_reader(_metadata, &self->rig, WHOLE, OBSERVING);
	run(_metadata, &self->rig);
}

TEST_F_TIMEOUT(torture, flushes, 300)
{
	self->rig.meddle = TORTURE_FLUSH;
	add_buffer_readers(_metadata, &self->rig, POLLING);
	run(_metadata, &self->rig);
}

TEST_HARNESS_MAIN
