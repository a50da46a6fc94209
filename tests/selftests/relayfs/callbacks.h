/* SPDX-License-Identifier: GPL-2.0 */
/* The client that has all callbacks, for tests of those and of what users tell it. */
#ifndef CALLBACKS_H
#define CALLBACKS_H

#include <relayfs_callbacks.h>

#include "relaytest.h"

#define RELAY_CPU_NONE		0xffffffff

#define CB_ALL	((1u << CB_WHATS) - 1)
#define MAX_EVENTS	16384

static inline int callbacks_device(void)
{
	load_module("relayfs_callbacks");
	return open("/dev/relayfs_callbacks", O_RDWR | O_CLOEXEC);
}

/* Opens the one channel of @dev; 0, or -errno. */
static inline int cb_open(int dev, const char *path, struct cb_open o)
{
	o.path = (uintptr_t)path;
	return ioctl(dev, CB_IOC_OPEN, &o) ? -errno : 0;
}

static inline int cb_behave(int dev, struct cb_behave b)
{
	return ioctl(dev, CB_IOC_BEHAVE, &b) ? -errno : 0;
}

static inline long cb_call(int dev, struct cb_call *c)
{
	return ioctl(dev, CB_IOC_CALL, c) ? -1000 - errno : c->ret;
}

/* cb(dev, op, .member = value...): what the operation gave. */
#define cb(dev, what, ...) \
	cb_call(dev, &(struct cb_call){ .op = (what), ##__VA_ARGS__ })

#define cb_write(dev, n, size, ...) \
	cb(dev, CB_WRITE, .count = (n), .len = (size), ##__VA_ARGS__)

/* What happened so far; the caller's until the next call. */
static inline const struct cb_event *cb_events(int dev, int *count)
{
	static struct cb_event events[MAX_EVENTS];

	*count = cb(dev, CB_EVENTS, .data = (uintptr_t)events, .len = sizeof(events));
	return events;
}

/* How often a callback was called so far. */
static inline int cb_count(int dev, enum cb_what what)
{
	const struct cb_event *events;
	int count, sum = 0;

	events = cb_events(dev, &count);
	for (int i = 0; i < count; i++)
		sum += events[i].what == what;
	return sum;
}

/* The same, of those whose first argument is @arg. */
static inline int cb_count_arg(int dev, enum cb_what what, uint64_t arg)
{
	const struct cb_event *events;
	int count, sum = 0;

	events = cb_events(dev, &count);
	for (int i = 0; i < count; i++)
		sum += events[i].what == what && events[i].arg[0] == arg;
	return sum;
}

/* The one with number @n of those of a callback; all zero if there is none. */
static inline struct cb_event cb_event(int dev, enum cb_what what, int n)
{
	const struct cb_event *events;
	int count;

	events = cb_events(dev, &count);
	for (int i = 0; i < count; i++)
		if (events[i].what == what && n-- == 0)
			return events[i];
	return (struct cb_event){};
}

static inline long cb_delivered(int dev, void *data, uint32_t len)
{
	return cb(dev, CB_DELIVERED, .data = (uintptr_t)data, .len = len);
}

#endif
