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
};

/* A reader's bytes: what begins a record that is not complete yet is kept. */
struct stream {
	unsigned char *bytes;
	size_t len, room;
	bool global;
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

/* Takes @n bytes that were read to the end of what is kept. */
static inline void stream_take(struct stream *s, size_t n, size_t longest)
{
	size_t at = 0, len = 1;

	s->len += n;
	while (at < s->len && len && !s->fault[0]) {
		if ((s->bytes[at] & 0xf0) == TORTURE_TINY)
			len = take_tiny(s, at);
		else
			len = take_record(s, at, longest);
		at += len;
	}
	s->len -= at;
	memmove(s->bytes, s->bytes + at, s->len);
}

/* One descriptor and what comes out of it. */
struct reader {
	pthread_t thread;
	struct stream stream;
	int fd, error, buffer;	/* -1: all buffers */
	bool polls, observes;
	struct relayfs_lost lost;
	size_t read_size, step, longest;
	unsigned int random;
	unsigned char *numbers;
};

static inline ssize_t read_some(struct reader *r, size_t n)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN };
	ssize_t got;

	while ((got = read(r->fd, r->stream.bytes + r->stream.len, n)) < 0 && errno == EAGAIN &&
	       r->polls)
		poll(&p, 1, 10000);
	return got;
}

/* Marks the numbers of what was read; somebody who shares the position may not have read them. */
static inline void mark_numbers(struct reader *r, size_t len)
{
	for (size_t at = 0; at + sizeof(struct torture_record) <= len; at += SHARED_LEN) {
		struct torture_record head;
		uint64_t bit;

		memcpy(&head, r->stream.bytes + at, sizeof(head));
		if (head.magic != TORTURE_MAGIC || head.number >= MAX_NUMBER ||
		    head.cpu >= MAX_CPUS || head.context >= TORTURE_CONTEXTS) {
			stream_fault(&r->stream, "no number", at);
			return;
		}
		bit = ((uint64_t)head.cpu * TORTURE_CONTEXTS + head.context) * MAX_NUMBER +
		      head.number;
		if (__atomic_fetch_or(&r->numbers[bit / 8], 1 << bit % 8, __ATOMIC_RELAXED) &
		    1 << bit % 8)
			stream_fault(&r->stream, "read by two", at);
	}
}

static inline void *read_all(void *arg)
{
	struct reader *r = arg;
	ssize_t got = 1;

	while (got > 0 && !r->stream.fault[0]) {
		size_t n = (rand_r(&r->random) % (r->read_size / r->step) + 1) * r->step;

		/* Mostly long reads, and short ones in between. */
		if (rand_r(&r->random) % 4 == 0)
			n = (rand_r(&r->random) % 8 + 1) * r->step;
		if (n > r->read_size)
			n = r->read_size;
		got = read_some(r, n);
		if (got <= 0)
			break;
		if (r->numbers)
			mark_numbers(r, got);
		stream_take(&r->stream, got, r->longest);
	}
	if (got < 0)
		r->error = errno;
	else if (r->stream.len)
		stream_fault(&r->stream, "ends inside a record", 0);
	return NULL;
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
