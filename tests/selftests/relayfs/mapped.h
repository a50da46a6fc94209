/* SPDX-License-Identifier: GPL-2.0 */
/* A consumer that reads a mapping and says in the consumer page how far it has come. */
#ifndef MAPPED_H
#define MAPPED_H

#include "relaytest.h"

struct mapped {
	int fd;
	const char *map;
	size_t len;
	const struct relayfs_meta *meta;
	struct relayfs_consumer *page;
	uint64_t pos;		/* what was read is before */
	uint64_t bytes;		/* payload read */
	uint64_t records;
};

#define LOAD(word)		__atomic_load_n(&(word), __ATOMIC_ACQUIRE)
#define STORE(word, value)	__atomic_store_n(&(word), value, __ATOMIC_RELEASE)

static inline void *map_consumer(int fd, int prot, int flags)
{
	return mmap(NULL, PAGE, prot, flags, fd, RELAYFS_OFF_CONSUMER);
}

/* Maps all of a file's present buffer. */
static inline bool mapped_map(struct mapped *m)
{
	m->meta = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, m->fd, 0);
	if (m->meta == MAP_FAILED)
		return false;
	m->len = m->meta->data_offset + m->meta->subbuf_size * m->meta->n_subbufs;
	munmap((void *)m->meta, PAGE);
	m->map = mmap(NULL, m->len, PROT_READ, MAP_SHARED, m->fd, 0);
	m->meta = (const void *)m->map;
	if (m->map == MAP_FAILED)
		return false;
	if (m->pos < LOAD(m->meta->consumed))
		m->pos = LOAD(m->meta->consumed);
	return true;
}

static inline bool mapped_open(struct mapped *m, const char *name)
{
	*m = (struct mapped){ .fd = file_open(name, O_RDWR | O_EXCL | O_NONBLOCK) };
	if (m->fd < 0)
		return false;
	m->page = map_consumer(m->fd, PROT_READ | PROT_WRITE, MAP_SHARED);
	return m->page != MAP_FAILED && mapped_map(m);
}

static inline void mapped_unmap(struct mapped *m)
{
	munmap((void *)m->map, m->len);
}

static inline void mapped_close(struct mapped *m)
{
	mapped_unmap(m);
	munmap(m->page, PAGE);
	close(m->fd);
}

static inline const struct relayfs_subbuf *mapped_subbuf(const struct mapped *m, uint64_t seq)
{
	return (const void *)(m->map + sizeof(*m->meta) +
			      seq % m->meta->n_subbufs * m->meta->desc_size);
}

/*
 * What can be read at m->pos: *len bytes. With @partial also what is committed of the current
 * sub-buffer, if that is all that is reserved there. Sub-buffers that have nothing more are passed.
 */
static inline const unsigned char *mapped_peek(struct mapped *m, uint64_t *len, bool partial)
{
	uint64_t size = m->meta->subbuf_size;

	for (;;) {
		uint64_t seq = m->pos / size, offset = m->pos % size, end;
		const struct relayfs_subbuf *sub = mapped_subbuf(m, seq);
		bool delivered = LOAD(m->meta->delivered) > seq;

		if (delivered && LOAD(sub->claim) >> 16 & 1) {
			m->pos = (seq + 1) * size;
			continue;
		}
		if (delivered) {
			end = sub->data_len;
		} else {
			if (!partial || LOAD(sub->seq) != seq + 1)
				return NULL;
			end = (LOAD(sub->commit) - sub->base) & 0xffffffff;
			/* Whole, with its padding: it is about to be delivered. */
			if (end == size || LOAD(m->meta->write_pos) != seq * size + end)
				return NULL;
		}
		if (offset < sub->data_start)
			offset = sub->data_start;
		if (offset < end) {
			m->pos = seq * size + offset;
			*len = end - offset;
			return (const void *)(m->map + m->meta->data_offset +
					      seq % m->meta->n_subbufs * size + offset);
		}
		if (!delivered)
			return NULL;
		m->pos = (seq + 1) * size;
	}
}

/* Says that everything before m->pos is consumed. */
static inline void mapped_say(struct mapped *m)
{
	STORE(m->page->position, m->pos);
}

/* Reads all there is, checks it, and says so; how many records, or -1 if one is wrong. */
static inline int mapped_read(struct mapped *m, bool partial)
{
	const unsigned char *at;
	uint64_t len, n;
	int records = 0;

	while ((at = mapped_peek(m, &len, partial))) {
		for (; len; len -= n, at += n, records++) {
			n = record_check(at, len);
			if (!n)
				return -1;
			m->pos += n;
			m->bytes += n;
		}
		mapped_say(m);
	}
	mapped_say(m);
	m->records += records;
	return records;
}

static inline int write_records(int dev, int id, int cpu, int count, int len)
{
	struct relaytest_pattern p = { .id = id, .cpu = cpu, .len = len, .count = count };

	return chan_pattern(dev, &p) ? -1 : (int)p.written;
}

static inline struct relayfs_info info_of(int fd)
{
	struct relayfs_info i = { .size = sizeof(i) };

	if (ioctl(fd, RELAY_IOC_GET_INFO, &i))
		i.size = 0;
	return i;
}

/* Whether everything that was written was read, is lost, or is still there. */
static inline bool adds_up(const struct relayfs_info *i)
{
	return i->produced.records ==
	       i->read.records + i->overwritten.records + i->unread.records &&
	       i->produced.bytes == i->read.bytes + i->overwritten.bytes + i->unread.bytes;
}

#endif
