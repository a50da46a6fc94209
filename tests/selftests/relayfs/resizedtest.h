/* SPDX-License-Identifier: GPL-2.0 */
/* One channel of each kind that is resized, whose records are counted. */
#ifndef RESIZEDTEST_H
#define RESIZEDTEST_H

#include "resizetest.h"

static unsigned char buf[4 << 20];

FIXTURE(resized)
{
	int dev, fd;
	uint32_t next, read;
};

FIXTURE_VARIANT(resized)
{
	uint32_t flags;
};

#define VARIANT(name, f) FIXTURE_VARIANT_ADD(resized, name) { .flags = f }
VARIANT(overwrite, RELAY_MODE_CONTINUOUS);
VARIANT(no_overwrite, RELAY_MODE_NO_OVERWRITE);
VARIANT(global_no_overwrite, RELAY_MODE_NO_OVERWRITE | RELAY_USAGE_GLOBAL);
VARIANT(locking_global_overwrite,
	RELAY_MODE_CONTINUOUS | RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING);

FIXTURE_SETUP(resized)
{
	self->dev = resize_device();
	ASSERT_GE(self->dev, 0);
}

FIXTURE_TEARDOWN(resized)
{
	close(self->fd);
	close(self->dev);
}

static void begin(struct __test_metadata *_metadata, struct _test_data_resized *self,
		  struct resize_open o)
{
	o.subbuf_size = 4096;
	ASSERT_EQ(resized_open(self->dev, o), 0);
	self->fd = file_open(NAME ".d/cpu0", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(self->fd, 0);
}

static void write_some(struct __test_metadata *_metadata, struct _test_data_resized *self,
		       uint32_t n)
{
	ASSERT_EQ(resized_write(self->dev, self->next, n), n);
	self->next += n;
}

/* All that was written is there, in order. */
static void read_rest(struct __test_metadata *_metadata, struct _test_data_resized *self)
{
	size_t n = 0;

	/* For a moment after a resize what is new cannot be read yet. */
	do {
		n = read_now(self->fd, buf, n, sizeof(buf), 4096);
	} while (n / RECORD < self->next - self->read && resized_state(self->dev).unread);
	EXPECT_TRUE(are_records(buf, n, self->read, self->next - self->read));
	self->read = self->next;
}

#endif
