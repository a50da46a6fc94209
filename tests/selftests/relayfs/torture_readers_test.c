// SPDX-License-Identifier: GPL-2.0
/*
 * Writers in every context of every CPU, as in torture_test, against readers of the other kinds:
 * those that map, with and without the consumer page, those in the kernel, and pipes. All bytes and
 * counts are checked.
 */

#include "torture_account.h"

FIXTURE_VARIANT_ADD(torture, overwrite)
{
	.flags = RELAY_MODE_CONTINUOUS, .subbuf_size = 4096, .n_subbufs = 8,
};

FIXTURE_VARIANT_ADD(torture, no_overwrite)
{
	.flags = RELAY_MODE_NO_OVERWRITE, .subbuf_size = 4096, .n_subbufs = 2,
};

FIXTURE_VARIANT_ADD(torture, global_overwrite)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_MODE_CONTINUOUS, .subbuf_size = 65536, .n_subbufs = 4,
};

FIXTURE_VARIANT_ADD(torture, global_no_overwrite)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_MODE_NO_OVERWRITE, .subbuf_size = 4096, .n_subbufs = 8,
};

FIXTURE_VARIANT_ADD(torture, records_overwrite)
{
	.flags = RELAY_FORMAT_RECORDS | RELAY_MODE_CONTINUOUS, .subbuf_size = 4096,
	.n_subbufs = 8,
};

FIXTURE_VARIANT_ADD(torture, records_no_overwrite)
{
	.flags = RELAY_FORMAT_RECORDS | RELAY_MODE_NO_OVERWRITE, .subbuf_size = 4096,
	.n_subbufs = 4,
};

/* One consumes by its page; others look at the same sub-buffers, as long as they are there. */
TEST_F_TIMEOUT(torture, mappings, 300)
{
	add_buffer_readers(_metadata, &self->rig, MAPPING);
	add_buffer_readers(_metadata, &self->rig, MAPPING | OBSERVING);
	add_buffer_readers(_metadata, &self->rig, MAPPING | OBSERVING);
	run(_metadata, &self->rig);
}

TEST_F_TIMEOUT(torture, mappings_and_flushes, 300)
{
	self->rig.meddle = TORTURE_FLUSH;
	add_buffer_readers(_metadata, &self->rig, MAPPING);
	add_buffer_readers(_metadata, &self->rig, MAPPING | OBSERVING);
	run(_metadata, &self->rig);
}

TEST_F_TIMEOUT(torture, consumers_in_the_kernel, 300)
{
	add_buffer_readers(_metadata, &self->rig, IN_KERNEL);
	add_buffer_readers(_metadata, &self->rig, IN_KERNEL | OBSERVING | POLLING);
	add_reader(_metadata, &self->rig, WHOLE, IN_KERNEL | OBSERVING);
	run(_metadata, &self->rig);
}

TEST_F_TIMEOUT(torture, consumer_in_the_kernel_of_all, 300)
{
	add_reader(_metadata, &self->rig, WHOLE, IN_KERNEL | POLLING);
	run(_metadata, &self->rig);
}

/* What was overwritten since it was read does not count as read. */
TEST_F_TIMEOUT(torture, observers_in_the_kernel_that_say_what_is_consumed, 300)
{
	if (!(variant->flags & RELAY_MODE_NO_OVERWRITE))
		SKIP(return, "no-overwrite mode only");
	add_buffer_readers(_metadata, &self->rig, IN_KERNEL | SAYING);
	run(_metadata, &self->rig);
}

TEST_F_TIMEOUT(torture, pipes, 300)
{
	add_buffer_readers(_metadata, &self->rig, SPLICING | ALONE);
	add_reader(_metadata, &self->rig, WHOLE, SPLICING | POLLING | OBSERVING);
	run(_metadata, &self->rig);
}

TEST_F_TIMEOUT(torture, pipe_of_all, 300)
{
	add_reader(_metadata, &self->rig, WHOLE, SPLICING);
	run(_metadata, &self->rig);
}

TEST_HARNESS_MAIN
