/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of records share: packets, taken apart. */
#ifndef PACKETS_H
#define PACKETS_H

#include "relaytest.h"

#define PACKET		sizeof(struct relayfs_packet)
#define EVENT		sizeof(struct relayfs_event)
/* What an event with so many bytes of fields takes with another behind it. */
#define EVENT_WITH(len)	((EVENT + (len) + 7) & ~7ul)

/* Looks at the fields of an event; says whether they are right. */
typedef bool event_check(void *arg, const unsigned char *fields, size_t len);

/* Length of the packet at @at, if all of it is there, else 0. */
static inline size_t packet_len(const unsigned char *at, size_t left)
{
	struct relayfs_packet p;

	if (left < PACKET)
		return 0;
	memcpy(&p, at, PACKET);
	if (p.magic != RELAYFS_PACKET_MAGIC || p.packet_size != p.content_size ||
	    p.packet_size / 8 > left)
		return 0;
	return p.packet_size / 8;
}

/* How many events there are in what is whole packets and nothing else, or -1. */
static inline int packets_check(const unsigned char *at, size_t left, event_check *check, void *arg)
{
	int n = 0;

	while (left) {
		size_t len = packet_len(at, left), pos;

		for (pos = PACKET; pos < len; n++) {
			struct relayfs_event e;

			pos = (pos + 7) & ~7ul;
			memcpy(&e, at + pos, EVENT);
			pos += EVENT;
			if (pos + e.len > len || !check(arg, at + pos, e.len))
				return -1;
			pos += e.len;
		}
		if (!len || pos != len)
			return -1;
		at += len;
		left -= len;
	}
	return n;
}

#endif
