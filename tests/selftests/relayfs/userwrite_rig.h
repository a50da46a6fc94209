/* SPDX-License-Identifier: GPL-2.0 */
/* A channel of each kind that users may write to, whose client is told. */
#ifndef USERWRITE_RIG_H
#define USERWRITE_RIG_H

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include "callbacks.h"

#define SUBBUF	4096
#define BUFFER	(2 * SUBBUF)

FIXTURE(userwrite)
{
	int dev;
	int fd;
};

FIXTURE_VARIANT(userwrite)
{
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(userwrite, smp) { .flags = RELAY_USAGE_SMP };
FIXTURE_VARIANT_ADD(userwrite, global) { .flags = RELAY_USAGE_GLOBAL };
FIXTURE_VARIANT_ADD(userwrite, smp_locking) { .flags = RELAY_USAGE_SMP | RELAY_SCHEME_LOCKING };
FIXTURE_VARIANT_ADD(userwrite, global_locking)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING,
};

FIXTURE_SETUP(userwrite)
{
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->dev = callbacks_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(cb_open(self->dev, "w", (struct cb_open){
		.subbuf_size = SUBBUF, .n_subbufs = 2, .mode = 0666,
		.flags = variant->flags | RELAY_MODE_NO_OVERWRITE,
		.wanted = 1 << CB_USER_DELIVER }), 0);
	self->fd = file_open("w", O_RDWR | O_NONBLOCK);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(userwrite)
{
	close(self->fd);
	close(self->dev);
}

static char record[BUFFER];
static char in[2 * BUFFER];

/* Fills the buffer of this CPU. */
static inline int fill(int fd)
{
	int n = 0;

	while (write(fd, record, 512) == 512)
		n++;
	return n;
}

#endif
