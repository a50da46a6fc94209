/* SPDX-License-Identifier: GPL-2.0 */
/* Events: what RELAY_FORMAT_RECORDS channels consist of. Clients include <linux/relayfs_fs.h>. */
#ifndef _LINUX_RELAYFS_EVENTS_H
#define _LINUX_RELAYFS_EVENTS_H

#include <linux/types.h>

struct rchan;
struct relay_slot;

/**
 * struct relay_event_type - one event of a schema
 * @name: 1 to 255 characters of ASCII, none of them a control character, ``"`` or ``\``
 * @fields: its fields, as members of a TSDL structure: "u32 a; string b; ". May use the types u8 to
 *	u64, s8 to s64, x8 to x64 (shown in hexadecimal) and utf8 (a character), each aligned to its
 *	size, and string. "": it has none. At most 64 KiB
 */
struct relay_event_type {
	const char *name;
	const char *fields;
};

/**
 * struct relay_schema - the events of a channel
 * @name: of the schema, as users see it; as of an event
 * @types: the events, by id
 * @n_types: how many; from 1 to 4096
 * @reserved: must be 0
 *
 * RELAY_EVENTS() in <linux/relayfs_events.h> makes one.
 */
struct relay_schema {
	const char *name;
	const struct relay_event_type *types;
	u32 n_types;
	u32 reserved;
};

ssize_t relayfs_write_event(struct rchan *chan, u32 id, const void *data, size_t len);
int relayfs_reserve_event(struct rchan *chan, u32 id, size_t len, struct relay_slot *slot);
const char *relayfs_metadata(const struct rchan *chan);

/**
 * relay_write_event() - write one event
 * @chan: a %RELAY_FORMAT_RECORDS channel
 * @id: which, of its schema; 0 without one
 * @data: its fields, laid out as the schema says
 * @len: their length in bytes; 0: it has none
 *
 * If the channel has no schema, relay_write() and its like do the same, with an @id of 0: all its
 * events are blobs of bytes. To a channel that has one they write nothing and return -EINVAL: a
 * record that does not look as the schema says would spoil those after it.
 *
 * Context: as relay_write().
 * Return: @len, or an error as of relay_write(); -EINVAL, which counts nowhere: no such event, or
 * no such channel.
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

/**
 * relay_metadata() - the description of a channel's packets
 * @chan: a %RELAY_FORMAT_RECORDS channel
 *
 * Context: any.
 * Return: a text in TSDL, the contents of "<path>.d/metadata", valid as long as @chan; NULL: no
 * such channel.
 */
static inline const char *relay_metadata(const struct rchan *chan)
{
	return relayfs_metadata(chan);
}

#endif /* _LINUX_RELAYFS_EVENTS_H */
