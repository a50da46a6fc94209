/* SPDX-License-Identifier: GPL-2.0 */
/* A channel of each kind, whose buffers are replaced; at the end all memory is given back. */
#ifndef RESIZE_RIG_H
#define RESIZE_RIG_H

#include "resizetest.h"

static unsigned char buf[4 << 20];

FIXTURE(resize)
{
	int dev, fd;
	bool overwrite;
	int64_t used;
};

FIXTURE_VARIANT(resize)
{
	uint32_t flags;
};

#define VARIANT(name, f) FIXTURE_VARIANT_ADD(resize, name) { .flags = f }
VARIANT(overwrite, RELAY_MODE_CONTINUOUS);
VARIANT(no_overwrite, RELAY_MODE_NO_OVERWRITE);
VARIANT(global_overwrite, RELAY_MODE_CONTINUOUS | RELAY_USAGE_GLOBAL);
VARIANT(global_no_overwrite, RELAY_MODE_NO_OVERWRITE | RELAY_USAGE_GLOBAL);
VARIANT(locking_overwrite, RELAY_MODE_CONTINUOUS | RELAY_SCHEME_LOCKING);
VARIANT(locking_no_overwrite, RELAY_MODE_NO_OVERWRITE | RELAY_SCHEME_LOCKING);
VARIANT(locking_global_overwrite,
	RELAY_MODE_CONTINUOUS | RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING);
VARIANT(locking_global_no_overwrite,
	RELAY_MODE_NO_OVERWRITE | RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING);

FIXTURE_SETUP(resize)
{
	struct resize_open o = { .subbuf_size = 4096, .n_subbufs = 4, .flags = variant->flags };

	self->dev = resize_device();
	ASSERT_GE(self->dev, 0);
	self->used = parameter_get("used_bytes");
	ASSERT_EQ(resized_open(self->dev, o), 0);
	self->overwrite = !(variant->flags & RELAY_MODE_NO_OVERWRITE);
	self->fd = file_open(NAME ".d/cpu0", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(resize)
{
	close(self->fd);
	close(self->dev);
	EXPECT_EQ(parameter_get("used_bytes"), self->used);
}

static const struct { uint64_t size; uint32_t n; } sizes[] = {
	{ 4096, 8 }, { 16384, 2 }, { 4096, 2 }, { 65536, 16 }, { 8192, 4 },
};

#endif
