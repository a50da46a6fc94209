/* SPDX-License-Identifier: GPL-2.0 */
/* Checks what the torture client wrote, byte by byte, against what every record says of itself. */
#ifndef TORTURE_CHECK_H
#define TORTURE_CHECK_H

#include <pthread.h>
#include <relayfs_torture.h>
#include "relaytest.h"

#define MAX_CPUS	64
#define SHARED_LEN	64	/* of all records when readers share a position */
#define MAX_NUMBER	0x1000000

/*
 * What one reader saw of one buffer. Numbers of a context rise, and no record comes behind one that
 * was reserved after it.
 */
struct seen {
	uint64_t next[MAX_CPUS][TORTURE_CONTEXTS];
	uint64_t count[MAX_CPUS][TORTURE_CONTEXTS];
	uint64_t records, bytes, tiny, latest;
	uint64_t packets, content;	/* of packets; bytes in them, less their heads */
	uint64_t time, packet_time, discarded;	/* the last that were told */
};

/* A reader's bytes: what begins a record that is not complete yet is kept. */
struct stream {
	unsigned char *bytes;
	size_t len, room;
	bool global;
	bool packets;		/* it consists of them */
	bool merged;		/* of events of all buffers */
	bool laps;		/* some may be missing */
	struct seen *seen;	/* per buffer */
	char fault[400];	/* what was wrong first; empty: nothing */
};

static inline void stream_init(struct stream *s, bool global, size_t longest, size_t read_size)
{
	s->global = global;
	s->room = longest + read_size;
	s->bytes = malloc(s->room);
	s->seen = calloc(global ? 1 : MAX_CPUS, sizeof(*s->seen));
}

static inline void stream_free(struct stream *s)
{
	free(s->bytes);
	free(s->seen);
}

static inline void stream_fault(struct stream *s, const char *what, size_t at)
{
	int n;

	if (s->fault[0])
		return;
	n = snprintf(s->fault, sizeof(s->fault), "%s, at %zu of %zu:", what, at, s->len);
	for (size_t i = at; i < s->len && i < at + 48; i++)
		n += snprintf(s->fault + n, sizeof(s->fault) - n, " %02x", s->bytes[i]);
}

static inline struct seen *seen_of(struct stream *s, unsigned int cpu)
{
	return &s->seen[s->global ? 0 : cpu];
}

/* Length of the tiny record at @at; 0: not all of it is here. */
static inline size_t take_tiny(struct stream *s, size_t at)
{
	const unsigned char *p = s->bytes + at;
	size_t len = p[0] & 0xf;
	struct seen *seen;

	if (len < TORTURE_TINY_MIN || len > TORTURE_TINY_MAX) {
		stream_fault(s, "no record", at);
		return 0;
	}
	if (s->len - at < len)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (p[i] != torture_tiny_byte(len, p[1], i))
			stream_fault(s, "torn tiny record", at);
	if (p[1] >= MAX_CPUS) {
		stream_fault(s, "tiny record of no CPU", at);
		return 0;
	}
	seen = seen_of(s, p[1]);
	seen->tiny++;
	seen->records++;
	seen->bytes += len;
	return len;
}

static inline bool bytes_are_right(const unsigned char *at, const struct torture_record *head)
{
	uint32_t left = head->len - sizeof(*head);
	uint64_t word;

	at += sizeof(*head);
	for (uint64_t i = 0; left; i++) {
		uint32_t n = left < sizeof(word) ? left : sizeof(word);

		word = torture_word(head, i);
		if (memcmp(at, &word, n))
			return false;
		at += n;
		left -= n;
	}
	return true;
}

/* As take_tiny(), for the others. */
static inline size_t take_record(struct stream *s, size_t at, size_t longest)
{
	struct torture_record head;
	struct seen *seen;
	uint64_t *next;

	if (s->len - at < sizeof(head))
		return 0;
	memcpy(&head, s->bytes + at, sizeof(head));
	if (head.magic != TORTURE_MAGIC || head.len < sizeof(head) || head.len > longest ||
	    head.cpu >= MAX_CPUS || head.context >= TORTURE_CONTEXTS) {
		stream_fault(s, "no record", at);
		return 0;
	}
	if (s->len - at < head.len)
		return 0;
	if (!bytes_are_right(s->bytes + at, &head))
		stream_fault(s, "torn record", at);
	seen = seen_of(s, head.cpu);
	next = &seen->next[head.cpu][head.context];
	if (head.number < *next)
		stream_fault(s, "record twice or out of order", at);
	*next = head.number + 1;
	if (head.after && head.after < seen->latest)
		stream_fault(s, "record behind one that was reserved after it", at);
	if (head.before > seen->latest)
		seen->latest = head.before;
	seen->count[head.cpu][head.context]++;
	seen->records++;
	seen->bytes += head.len;
	return head.len;
}

static inline size_t take_one(struct stream *s, size_t at, size_t longest)
{
	if ((s->bytes[at] & 0xf0) == TORTURE_TINY)
		return take_tiny(s, at);
	return take_record(s, at, longest);
}

/* Of which CPU the record at @at is. */
static inline unsigned int cpu_of(const struct stream *s, size_t at)
{
	struct torture_record head;

	if ((s->bytes[at] & 0xf0) == TORTURE_TINY)
		return s->bytes[at + 1];
	memcpy(&head, s->bytes + at, sizeof(head));
	return head.cpu;
}

/* Takes the event at @off of the packet @p of @len bytes at @at; where it ends. */
static inline size_t take_event(struct stream *s, size_t at, size_t off, size_t len,
				const struct relayfs_packet *p)
{
	struct relayfs_event e;
	struct seen *seen;

	off = (off + 7) & ~7ul;
	if (off + sizeof(e) > len) {
		stream_fault(s, "no event", at + off);
		return len;
	}
	memcpy(&e, s->bytes + at + off, sizeof(e));
	off += sizeof(e);
	if (e.id || e.len < TORTURE_TINY_MIN || off + e.len > len ||
	    take_one(s, at + off, e.len) != e.len) {
		stream_fault(s, "event that is not one record", at + off);
		return len;
	}
	seen = seen_of(s, cpu_of(s, at + off));
	if (!s->global && !s->merged && p->cpu_id != cpu_of(s, at + off))
		stream_fault(s, "event of another CPU", at + off);
	if (e.timestamp < seen->time)
		stream_fault(s, "time went back", at + off);
	if (e.timestamp < p->timestamp_begin || e.timestamp > p->timestamp_end)
		stream_fault(s, "event at no time of its packet", at + off);
	seen->time = e.timestamp;
	return off + e.len;
}

/* Heads of packets: what each says, and that one follows the other. */
static inline void check_packet(struct stream *s, size_t at, const struct relayfs_packet *p)
{
	struct seen *seen = &s->seen[s->merged || s->global || p->cpu_id >= MAX_CPUS ?
				     0 : p->cpu_id];

	if (p->packet_size != p->content_size || p->packet_size % 8 || p->stream_id ||
	    (!s->merged && p->cpu_id >= MAX_CPUS && !s->global))
		stream_fault(s, "no packet", at);
	if (p->timestamp_begin > p->timestamp_end || p->timestamp_begin < seen->packet_time)
		stream_fault(s, "packet before the one before", at);
	if (s->laps && !s->merged ? p->packet_seq_num < seen->packets :
				    p->packet_seq_num != seen->packets)
		stream_fault(s, "packet of another number", at);
	if (p->events_discarded < seen->discarded)
		stream_fault(s, "fewer events discarded than before", at);
	seen->packet_time = p->timestamp_end;
	seen->packets = p->packet_seq_num + 1;
	seen->discarded = p->events_discarded;
	seen->content += p->content_size / 8 - sizeof(*p);
}

/* As take_tiny(), for packets. */
static inline size_t take_packet(struct stream *s, size_t at)
{
	struct relayfs_packet p;
	size_t len;

	if (s->len - at < sizeof(p))
		return 0;
	memcpy(&p, s->bytes + at, sizeof(p));
	len = p.packet_size / 8;
	if (p.magic != RELAYFS_PACKET_MAGIC || len <= sizeof(p) || len > s->room) {
		stream_fault(s, "no packet", at);
		return 0;
	}
	if (s->len - at < len)
		return 0;
	check_packet(s, at, &p);
	for (size_t off = sizeof(p); off < len && !s->fault[0];)
		off = take_event(s, at, off, len, &p);
	return len;
}

/* Takes @n bytes that were read to the end of what is kept. */
static inline void stream_take(struct stream *s, size_t n, size_t longest)
{
	size_t at = 0, len = 1;

	s->len += n;
	while (at < s->len && len && !s->fault[0]) {
		len = s->packets ? take_packet(s, at) : take_one(s, at, longest);
		at += len;
	}
	s->len -= at;
	memmove(s->bytes, s->bytes + at, s->len);
}

/* A number of a row ("cpu0") of an info file's text; -1 if it is not there. */
static inline int64_t row_value(const char *text, const char *row, const char *key, bool bytes)
{
	char line[1024], name[64];
	const char *at = text, *found;
	long long records, payload;

	snprintf(name, sizeof(name), "%s:", row);
	while (at && strncmp(at, name, strlen(name))) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	if (!at)
		return -1;
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
	snprintf(name, sizeof(name), " %s ", key);
	found = strstr(line, name);
	if (!found || sscanf(found + strlen(name), "%lld %lld", &records, &payload) != 2)
		return -1;
	return bytes ? payload : records;
}

#endif
