/* SPDX-License-Identifier: GPL-2.0 */
/* Events: what RELAY_FORMAT_RECORDS channels consist of. Clients include <linux/relayfs_fs.h>. */
#ifndef _LINUX_RELAYFS_EVENTS_H
#define _LINUX_RELAYFS_EVENTS_H

#include <linux/types.h>

struct rchan;
struct relay_slot;

/**
 * struct relay_schema - the events of a channel
 * @name: of the schema, as users see it
 * @metadata: text in TSDL: an event { } declaration for each, less its stream_id
 * @n_events: ids of events are below this
 * @reserved: must be 0
 *
 * RELAY_SCHEMA() in <linux/relayfs_events.h> makes one.
 */
struct relay_schema {
	const char *name;
	const char *metadata;
	u32 n_events;
	u32 reserved;
};

ssize_t relayfs_write_event(struct rchan *chan, u32 id, const void *data, size_t len);
int relayfs_reserve_event(struct rchan *chan, u32 id, size_t len, struct relay_slot *slot);

/**
 * relay_write_event() - write one event
 * @chan: a %RELAY_FORMAT_RECORDS channel
 * @id: which, of its schema; 0 without one
 * @data: its fields
 * @len: their length in bytes; 0: it has none
 *
 * relay_write() to such a channel writes an event 0.
 *
 * Context: as relay_write().
 * Return: @len, or an error as of relay_write(); -EINVAL: no such event, or no such channel.
 */
static inline ssize_t relay_write_event(struct rchan *chan, u32 id, const void *data, size_t len)
{
	return relayfs_write_event(chan, id, data, len);
}

/**
 * relay_reserve_event() - reserve space for an event, to be filled in place
 * @chan: a %RELAY_FORMAT_RECORDS channel
 * @id: as for relay_write_event()
 * @len: length of its fields in bytes
 * @slot: as for relay_reserve(); &relay_slot.data is aligned to 8 bytes
 *
 * Its time is now. relay_commit() or relay_discard() must follow, as after relay_reserve().
 *
 * Context: as relay_write().
 * Return: 0, or an error as of relay_write_event().
 */
static inline int relay_reserve_event(struct rchan *chan, u32 id, size_t len,
				      struct relay_slot *slot)
{
	return relayfs_reserve_event(chan, id, len, slot);
}

#endif /* _LINUX_RELAYFS_EVENTS_H */
