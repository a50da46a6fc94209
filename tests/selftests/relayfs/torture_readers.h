/* SPDX-License-Identifier: GPL-2.0 */
/* Readers of all kinds of what the torture client writes. */
#ifndef TORTURE_READERS_H
#define TORTURE_READERS_H

#include "torture_check.h"
#include "mapped.h"

/* One descriptor and what comes out of it. */
struct reader {
	pthread_t thread;
	struct stream stream;
	int fd, error, buffer;	/* -1: all buffers */
	bool polls, observes;
	/* Gets up to so many bytes, or a whole sub-buffer; 0: that was the end; -1, and errno. */
	ssize_t (*some)(struct reader *r, unsigned char *to, size_t n);
	int pipe[2];			/* of splice_some() */
	unsigned int id;		/* of kernel_some() */
	struct mapping *mapping;	/* of mapped_some() */
	const bool *closed;		/* the channel is */
	struct relayfs_lost lost;
	size_t read_size, step, longest;
	unsigned int random;
	unsigned char *numbers;
};

static inline ssize_t read_some(struct reader *r, unsigned char *to, size_t n)
{
	return read(r->fd, to, n);
}

/* By way of a pipe, in which it stays for a while. */
static inline ssize_t splice_some(struct reader *r, unsigned char *to, size_t n)
{
	ssize_t got = splice(r->fd, NULL, r->pipe[1], NULL, n,
			     r->polls ? SPLICE_F_NONBLOCK : 0), have = 0;

	if (rand_r(&r->random) % 4 == 0)
		usleep(rand_r(&r->random) % 3000);
	while (have < got) {
		ssize_t more = read(r->pipe[0], to + have, got - have);

		if (more <= 0)
			return -1;
		have += more;
	}
	return got;
}

/* By a reader in the kernel. */
static inline ssize_t kernel_some(struct reader *r, unsigned char *to, size_t n)
{
	struct torture_read read = {
		.id = r->id, .wait = !r->polls, .data = (uintptr_t)to, .len = n,
	};

	if (ioctl(r->fd, TORTURE_READ, &read))
		return -1;
	r->lost.records = read.lost;
	return read.ret;
}

/* A mapping that is read from sub-buffer @seq on. */
struct mapping {
	struct mapped m;
	uint64_t seq;
	uint64_t records, bytes;	/* in all before, read or not */
	unsigned char *gone;		/* which bytes of a sub-buffer were discarded */
};

/* What a descriptor said of a sub-buffer when it was there. */
struct copied {
	uint64_t len, holes, records, bytes, first_record, first_byte;
};

static inline bool is_there(const struct mapping *map, uint64_t seq)
{
	return LOAD(mapped_subbuf(&map->m, seq)->claim) >> 16 == (seq + 1) << 1;
}

/*
 * Copies sub-buffer @seq, all of it, as the list of what was discarded may begin behind the data,
 * and what is said of it; whether it was there all the time.
 */
static inline bool copy_subbuf(const struct mapping *map, uint64_t seq, unsigned char *to,
			       struct copied *c)
{
	const struct relayfs_meta *meta = map->m.meta;
	const struct relayfs_subbuf *sub = mapped_subbuf(&map->m, seq);

	if (!is_there(map, seq))
		return false;
	*c = (struct copied){ sub->data_len, sub->holes, sub->records, sub->bytes,
			      sub->first_record, sub->first_byte };
	memcpy(to, map->m.map + meta->data_offset + seq % meta->n_subbufs * meta->subbuf_size,
	       meta->subbuf_size);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return is_there(map, seq);
}

/* Takes what was discarded out of a copy of sub-buffer @seq; what is left. */
static inline size_t cut_holes(const struct mapping *map, uint64_t seq, unsigned char *copy,
			       const struct copied *c)
{
	bool records = map->m.meta->flags & RELAYFS_META_RECORDS;
	uint64_t size = map->m.meta->subbuf_size, to = 0;
	uint32_t hole[2];

	if (!c->holes || (c->holes - 1) / size != seq)
		return c->len;
	memset(map->gone, 0, size);
	for (uint64_t next = (c->holes - 1) % size + 1; next; next = hole[1]) {
		uint64_t start = next - 1, len;

		if (start + sizeof(hole) > size || map->gone[start])
			return 0;
		memcpy(hole, copy + start, sizeof(hole));
		len = records ? hole[0] & ~7u : hole[0];
		if (len < sizeof(hole))
			len = sizeof(hole);
		memset(map->gone + start, 1, len < size - start ? len : size - start);
	}
	for (uint64_t i = 0; i < c->len; i++)
		if (!map->gone[i])
			copy[to++] = copy[i];
	return to;
}

/* What was found missing, to who counts; records of the sub-buffer are known from now on. */
static inline void count_copied(struct reader *r, const struct copied *c)
{
	struct mapping *map = r->mapping;

	r->lost.records += c->first_record - map->records;
	r->lost.bytes += c->first_byte - map->bytes;
	map->records = c->first_record + c->records;
	map->bytes = c->first_byte + c->bytes;
	if (map->m.page) {
		map->m.page->lost_records = r->lost.records;
		map->m.page->lost_bytes = r->lost.bytes;
	}
}

/* That all before a position is consumed, if this consumes. */
static inline void say(struct mapping *map, uint64_t position)
{
	if (map->m.page)
		STORE(map->m.page->position, position);
}

/*
 * The next sub-buffer that is there, copied. Where nothing is overwritten, who consumes says first
 * that it has come to somewhere in it, and all of it when it has the copy: not a byte may change
 * until then.
 */
static inline ssize_t mapped_some(struct reader *r, unsigned char *to, size_t n)
{
	struct mapping *map = r->mapping;
	bool closed = LOAD(*r->closed);
	uint64_t size = map->m.meta->subbuf_size, delivered = LOAD(map->m.meta->delivered);
	struct copied c;
	size_t left = 0;

	(void)n;
	/* Whoever asks, and whenever: nothing is lost where writers wait for it. */
	if (map->m.meta->flags & RELAY_MODE_NO_OVERWRITE && info_of(r->fd).overwritten.records)
		stream_fault(&r->stream, "what was read counts as overwritten", 0);
	while (!left && map->seq < delivered) {
		uint64_t seq = map->seq++;

		if (delivered > seq + map->m.meta->n_subbufs)
			continue;
		if (map->m.meta->flags & RELAY_MODE_NO_OVERWRITE)
			say(map, seq * size + rand_r(&r->random) % size);
		if (rand_r(&r->random) % 8 == 0)
			usleep(rand_r(&r->random) % 2000);
		if (!copy_subbuf(map, seq, to, &c))
			continue;
		left = cut_holes(map, seq, to, &c);
		count_copied(r, &c);
		if (c.len > size || left < c.bytes)
			stream_fault(&r->stream, "sub-buffer of a wrong length", 0);
		say(map, (seq + 1) * size);
	}
	if (left || closed)
		return left;
	errno = EAGAIN;
	return -1;
}

/* Waits for more where the way to read does not. */
static inline ssize_t some(struct reader *r, size_t n)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN };
	ssize_t got;

	while ((got = r->some(r, r->stream.bytes + r->stream.len, n)) < 0 && errno == EAGAIN &&
	       r->polls) {
		if (r->some == kernel_some || r->mapping)
			usleep(300);
		else
			poll(&p, 1, 10000);
	}
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
		got = some(r, n);
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

#endif
