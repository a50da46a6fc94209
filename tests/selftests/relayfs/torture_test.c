// SPDX-License-Identifier: GPL-2.0
/*
 * Writers in every context of every CPU, nested in one another, against readers of every kind. Each
 * byte is checked, and at the end each count: what was accepted was read or is counted as
 * overwritten, what was refused is counted by cause. Meanwhile buffers may be flushed, reset or
 * resized.
 *
 * TORTURE_MS: how long each case writes at least, 500 if not set, less on slow kernels; longer, if
 * by then some context has not had its turn.
 */

#include "torture_account.h"

FIXTURE_VARIANT_ADD(torture, overwrite_small)
{
	.flags = RELAY_MODE_CONTINUOUS, .subbuf_size = 4096, .n_subbufs = 2,
};

FIXTURE_VARIANT_ADD(torture, overwrite_large)
{
	.flags = RELAY_MODE_CONTINUOUS, .subbuf_size = 65536, .n_subbufs = 8,
};

FIXTURE_VARIANT_ADD(torture, no_overwrite_small)
{
	.flags = RELAY_MODE_NO_OVERWRITE, .subbuf_size = 4096, .n_subbufs = 2,
};

FIXTURE_VARIANT_ADD(torture, no_overwrite_large)
{
	.flags = RELAY_MODE_NO_OVERWRITE, .subbuf_size = 65536, .n_subbufs = 8,
};

FIXTURE_VARIANT_ADD(torture, global_overwrite_small)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_MODE_CONTINUOUS, .subbuf_size = 4096, .n_subbufs = 2,
};

FIXTURE_VARIANT_ADD(torture, global_overwrite_large)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_MODE_CONTINUOUS, .subbuf_size = 65536, .n_subbufs = 8,
};

FIXTURE_VARIANT_ADD(torture, global_no_overwrite_small)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_MODE_NO_OVERWRITE, .subbuf_size = 4096, .n_subbufs = 2,
};

FIXTURE_VARIANT_ADD(torture, global_no_overwrite_large)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_MODE_NO_OVERWRITE, .subbuf_size = 65536, .n_subbufs = 8,
};

FIXTURE_VARIANT_ADD(torture, locking_overwrite_small)
{
	.flags = RELAY_SCHEME_LOCKING | RELAY_MODE_CONTINUOUS, .subbuf_size = 4096, .n_subbufs = 2,
};

FIXTURE_VARIANT_ADD(torture, locking_global_no_overwrite)
{
	.flags = RELAY_SCHEME_LOCKING | RELAY_USAGE_GLOBAL | RELAY_MODE_NO_OVERWRITE,
	.subbuf_size = 16384, .n_subbufs = 4,
};

TEST_F_TIMEOUT(torture, a_reader_per_buffer, 300)
{
	add_buffer_readers(_metadata, &self->rig, BLOCKING | ALONE);
	run(_metadata, &self->rig);
}

TEST_F_TIMEOUT(torture, whole_channel, 300)
{
	self->rig.max_len = variant->subbuf_size;
	add_reader(_metadata, &self->rig, WHOLE, POLLING);
	run(_metadata, &self->rig);
}

TEST_F_TIMEOUT(torture, shared_position, 300)
{
	size_t size = (size_t)cpus() * TORTURE_CONTEXTS * MAX_NUMBER / 8;

	self->rig.numbers = mmap(NULL, size, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(self->rig.numbers, MAP_FAILED);
	add_buffer_readers(_metadata, &self->rig, BLOCKING);
	add_buffer_readers(_metadata, &self->rig, POLLING);
	add_reader(_metadata, &self->rig, WHOLE, BLOCKING);
	run(_metadata, &self->rig);
}

TEST_F_TIMEOUT(torture, flushes, 300)
{
	self->rig.meddle = TORTURE_FLUSH;
	add_buffer_readers(_metadata, &self->rig, POLLING);
	run(_metadata, &self->rig);
}

TEST_F_TIMEOUT(torture, resets, 300)
{
	self->rig.meddle = TORTURE_RESET;
	add_buffer_readers(_metadata, &self->rig, POLLING);
	add_reader(_metadata, &self->rig, WHOLE, OBSERVING | POLLING);
	run(_metadata, &self->rig);
}

TEST_F_TIMEOUT(torture, resizes, 300)
{
	self->rig.meddle = TORTURE_RESIZE;
	self->rig.least = 1;
	add_buffer_readers(_metadata, &self->rig, POLLING);
	add_buffer_readers(_metadata, &self->rig, OBSERVING);
	add_reader(_metadata, &self->rig, WHOLE, OBSERVING | POLLING);
	run(_metadata, &self->rig);
	TH_LOG("%u resizes, %u refused as busy", self->rig.resizes, self->rig.busy);
	EXPECT_GE(self->rig.resizes, self->rig.least);
}

TEST_F_TIMEOUT(torture, resizes_and_a_reader_of_all, 300)
{
	self->rig.meddle = TORTURE_RESIZE;
	self->rig.least = 1;
	add_reader(_metadata, &self->rig, WHOLE, BLOCKING);
	run(_metadata, &self->rig);
	EXPECT_GE(self->rig.resizes, self->rig.least);
}

TEST_F_TIMEOUT(torture, leaves_memory_of_the_client, 300)
{
	struct torture_open o = {
		.path = (uintptr_t)"torture", .flags = variant->flags, .init_buf = 1,
		.subbuf_size = variant->subbuf_size, .n_subbufs = variant->n_subbufs,
	};

	if (!self->rig.global)
		SKIP(return, "global channels only");
	close(self->rig.info_fd);
	ASSERT_EQ(ioctl(self->rig.dev, TORTURE_CLOSE), 0);
	ASSERT_EQ(ioctl(self->rig.dev, TORTURE_OPEN, &o), 0);
	self->rig.info_fd = file_open("torture.d/info", O_RDONLY);
	ASSERT_GE(self->rig.info_fd, 0);
	self->rig.meddle = TORTURE_DISCARD;
	self->rig.least = 2;
	add_buffer_readers(_metadata, &self->rig, POLLING);
	for (int i = 0; i < 4; i++)
		add_buffer_readers(_metadata, &self->rig, OBSERVING);
	run(_metadata, &self->rig);
	EXPECT_GE(self->rig.resizes, self->rig.least);
}

TEST_F_TIMEOUT(torture, observers, 300)
{
	add_buffer_readers(_metadata, &self->rig, BLOCKING);
	add_buffer_readers(_metadata, &self->rig, OBSERVING);
	add_reader(_metadata, &self->rig, WHOLE, OBSERVING | POLLING);
	run(_metadata, &self->rig);
}

TEST_HARNESS_MAIN
