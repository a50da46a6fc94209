/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of a merged stream are made of: records that say who wrote them and when, who
 * judges a stream of them, who writes and reads while others do, and who does not finish a record.
 */

#ifndef MERGETEST_H
#define MERGETEST_H

#include <pthread.h>
#include "calls.h"

#define THREADS		8
#define SUBBUF		4096
#define PACKET		sizeof(struct relayfs_packet)
#define EVENT		sizeof(struct relayfs_event)

/* What a writer writes: itself, and what makes it as long as it is to be. */
struct mark {
	uint32_t magic;
	uint32_t writer;
	uint64_t number;
	uint64_t start;		/* before it was written, by the kernel's clock */
	uint32_t len;
	uint32_t sum;
};

#define MAGIC	0x4d41524b

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static long mark_write(int dev, int id, uint32_t writer, uint64_t number, uint32_t len)
{
	static __thread unsigned char data[SUBBUF];
	struct mark m = { MAGIC, writer, number, now_ns(), len, writer ^ number ^ len };

	memset(data, 'a' + writer, len);
	memcpy(data, &m, sizeof(m));
	return calls_write(dev, id, data, len);
}

/* Who takes a stream apart. */
struct judge {
	uint64_t seen[THREADS];		/* number + 1 of the last */
	uint64_t count;
	uint64_t time;			/* of the last event */
	uint64_t packets;
	uint64_t discarded;
	uint32_t cpu;			/* of the packet */
	uint64_t max_start;
	uint64_t swapped;		/* finished before one began that came before it */
	uint64_t (*done)[1 << 16];	/* when each was finished, if known */
	const char *wrong;
};

static size_t wrong(struct judge *j, const char *what)
{
	if (!j->wrong)
		j->wrong = what;
	return 0;
}

static size_t judge_mark(struct judge *j, const unsigned char *at, size_t left)
{
	struct mark m;

	if (left < sizeof(m))
		return wrong(j, "half a record");
	memcpy(&m, at, sizeof(m));
	if (m.magic != MAGIC || m.writer >= THREADS ||
	    m.sum != (m.writer ^ (uint32_t)m.number ^ m.len))
		return wrong(j, "no record");
	if (m.len > left)
		return wrong(j, "a record that is cut");
	for (size_t i = sizeof(m); i < m.len; i++)
		if (at[i] != 'a' + m.writer)
			return wrong(j, "a record with another in it");
	if (m.number + 1 <= j->seen[m.writer])
		return wrong(j, "a record that was seen, or comes before one that was");
	j->seen[m.writer] = m.number + 1;
	j->count++;
	if (j->done) {
		uint64_t done = j->done[m.writer][m.number & 0xffff];

		/* 0: it is being written. */
		if (done && done < j->max_start)
			j->swapped++;
		if (m.start > j->max_start)
			j->max_start = m.start;
	}
	return m.len;
}

static size_t judge_packet(struct judge *j, const unsigned char *at, size_t left)
{
	struct relayfs_packet p;
	size_t pos = PACKET, size;

	if (left < PACKET)
		return wrong(j, "half a packet");
	memcpy(&p, at, PACKET);
	size = p.packet_size / 8;
	if (p.magic != RELAYFS_PACKET_MAGIC || p.packet_size != p.content_size || size > left)
		return wrong(j, "a packet that is none");
	if (p.packet_seq_num != j->packets++)
		return wrong(j, "numbers of packets");
	if (p.events_discarded < j->discarded)
		return wrong(j, "lost events become fewer");
	if (p.timestamp_begin < j->time || p.timestamp_end < p.timestamp_begin)
		return wrong(j, "a packet that begins before the last ended");
	j->discarded = p.events_discarded;
	j->cpu = p.cpu_id;
	while (pos < size) {
		struct relayfs_event e;

		memcpy(&e, at + pos, EVENT);
		if (e.timestamp < j->time || e.timestamp < p.timestamp_begin ||
		    e.timestamp > p.timestamp_end)
			return wrong(j, "times that fall");
		j->time = e.timestamp;
		pos += EVENT;
		if (pos + e.len > size || judge_mark(j, at + pos, e.len) != e.len)
			return wrong(j, "no event");
		pos += e.len;
		if (pos < size)
			pos = (pos + 7) & ~7ul;
	}
	if (pos != size)
		return wrong(j, "the end of a packet");
	return size;
}

/* All of a stream; what is wrong with it, or NULL. */
static const char *judge_all(struct judge *j, const unsigned char *at, size_t len, bool records)
{
	while (len && !j->wrong) {
		size_t n = records ? judge_packet(j, at, len) : judge_mark(j, at, len);

		at += n;
		len -= n;
	}
	return j->wrong;
}

static unsigned char stream[16 << 20];
static size_t stream_len;

/* One read, as soon as an unfinished record does not hold up the others any more. */
static ssize_t read_soon(int fd)
{
	ssize_t n;

	do {
		n = read(fd, stream, SUBBUF);
	} while (n < 0 && errno == EAGAIN);
	return n;
}

/* Reads until there is nothing; the reads are of @size, or of sizes that change. */
static bool drain(int fd, size_t size)
{
	for (size_t i = 0; stream_len + SUBBUF < sizeof(stream); i++) {
		size_t most = size ? : PACKET + EVENT + 200 + i * 97 % 3000;
		ssize_t n = read(fd, stream + stream_len, most);

		if (n <= 0)
			return n == 0 || errno == EAGAIN;
		stream_len += n;
	}
	return false;
}

struct writer {
	pthread_t thread;
	int dev;
	int id;
	int cpu;
	uint32_t number;
	uint32_t count;
	uint32_t len;
	uint64_t written;
	uint64_t *done;
	bool *end;
};

static void *write_marks(void *arg)
{
	struct writer *w = arg;

	pin_to_cpu(w->cpu);
	for (uint32_t i = 0; i < w->count || (w->end && !__atomic_load_n(w->end, __ATOMIC_RELAXED));
	     i++) {
		uint32_t len = w->len ? : sizeof(struct mark) + (i * 13 + w->number) % 120;

		if (mark_write(w->dev, w->id, w->number, i, len) > 0) {
			w->written++;
			/* Before the next one begins, and after this one was there. */
			if (w->done)
				__atomic_store_n(&w->done[i & 0xffff], now_ns(), __ATOMIC_RELEASE);
		}
	}
	return NULL;
}

static uint64_t done[THREADS][1 << 16];

/* As many threads as CPUs, and two more; how many. */
static int storm_begin(struct writer *w, int dev, int id, uint32_t count, uint32_t len, bool *end)
{
	int n = cpus() + 2 < THREADS ? cpus() + 2 : THREADS;

	memset(done, 0, sizeof(done));
	for (int i = 0; i < n; i++) {
		w[i] = (struct writer){ .dev = dev, .id = id, .cpu = i % cpus(), .number = i,
					.count = count, .len = len, .done = done[i], .end = end };
		if (pthread_create(&w[i].thread, NULL, write_marks, &w[i]))
			return -1;
	}
	return n;
}

static uint64_t storm_end(struct writer *w, int n)
{
	uint64_t written = 0;

	for (int i = 0; i < n; i++) {
		pthread_join(w[i].thread, NULL);
		written += w[i].written;
	}
	return written;
}

struct reader {
	pthread_t thread;
	int fd;
	size_t size;
	bool end;
	bool fine;
};

static void *read_all(void *arg)
{
	struct reader *r = arg;
	bool end;

	do {
		struct pollfd p = { .fd = r->fd, .events = POLLIN };
		size_t before = stream_len;

		end = __atomic_load_n(&r->end, __ATOMIC_ACQUIRE);
		poll(&p, 1, 5);
		r->fine = drain(r->fd, r->size);
		/* There is something, but a writer has to finish first: let it run. */
		if (p.revents && stream_len == before)
			usleep(1000);
	} while (r->fine && !end);
	return NULL;
}

static bool reader_begin(struct reader *r)
{
	stream_len = 0;
	return !pthread_create(&r->thread, NULL, read_all, r);
}

static bool reader_end(struct reader *r)
{
	__atomic_store_n(&r->end, true, __ATOMIC_RELEASE);
	pthread_join(r->thread, NULL);
	return r->fine;
}

static void hold_set(int value)
{
	char text[8];
	int fd = open("/sys/module/relayfs_calls/parameters/hold", O_WRONLY | O_CLOEXEC);

	snprintf(text, sizeof(text), "%d", value);
	if (write(fd, text, strlen(text)) < 0)
		perror("hold");
	close(fd);
}

struct holder {
	pthread_t thread;
	int dev;
	int id;
	int us;
	uint64_t number;
};

/* A record that is begun on another CPU and finished some time after it was told to go on. */
static void *hold(void *arg)
{
	struct holder *h = arg;
	unsigned char data[64];
	struct mark m = { .magic = MAGIC, .writer = 1, .number = h->number, .start = now_ns(),
			  .len = sizeof(data) };

	m.sum = m.writer ^ m.number ^ m.len;
	pin_to_cpu(1);
	memset(data, 'a' + 1, sizeof(data));
	memcpy(data, &m, sizeof(m));
	calls(h->dev, CALLS_HOLD, h->id, .data = (uintptr_t)data, .len = sizeof(data),
	      .flag = h->us);
	return NULL;
}

static void hold_begin(struct holder *h)
{
	hold_set(0);
	pthread_create(&h->thread, NULL, hold, h);
	while (module_parameter("relayfs_calls", "hold") != 1)
		sched_yield();
}

#endif
