// SPDX-License-Identifier: GPL-2.0
/*
 * What a record costs its reader, beside the peers in the same boot: relayfs_bench.ko, loaded with
 * reading=1, fills the rings with the same records, and each contestant reads them to one buffer.
 * Each record is looked at: none may be missing, doubled, torn or out of order.
 *
 *	read [ROUNDS]
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <linux/relayfs.h>

#include "device.h"

#define CHANNEL		"/sys/kernel/relay/bench"
#define N_CONTESTANTS	10
#define MAX_ROUNDS	1000
/* Relay takes a sub-buffer for complete when the next one is begun: so not quite all of a ring. */
#define SUBBUFS		6
#define RECORDS		(SUBBUFS * BENCH_SUBBUF_SIZE / BENCH_RECORD)
#define RING_SIZE	(BENCH_SUBBUF_SIZE * BENCH_N_SUBBUFS)
#define LOAD(word)	__atomic_load_n(&(word), __ATOMIC_ACQUIRE)

static int device, relay, cpu0, whole, owner;
static const char *relay_map, *map;
static const struct relayfs_meta *meta;
static struct relayfs_consumer *consumer;
static char *mine, *buf;
/* How far into the rings this round has come, and where it began. */
static size_t at, began;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void *must_map(int fd, size_t len, int prot, off_t offset, const char *what)
{
	void *area = mmap(NULL, len, prot, fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd,
			  offset);

	if (area == MAP_FAILED) {
		perror(what);
		exit(1);
	}
	return area;
}

static int must_open(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

/* The contestants: each gets at most len bytes to buf. */

static ssize_t read_device(size_t len)
{
	return read(device, buf, len);
}

static ssize_t read_relay(size_t len)
{
	return read(relay, buf, len);
}

static ssize_t read_cpu(size_t len)
{
	return read(cpu0, buf, len);
}

static ssize_t read_whole(size_t len)
{
	return read(whole, buf, len);
}

static ssize_t copy_own_memory(size_t len)
{
	memcpy(buf, mine + (began + at) % RING_SIZE, len);
	return len;
}

static ssize_t copy_relay(size_t len)
{
	memcpy(buf, relay_map + (began + at) % RING_SIZE, len);
	return len;
}

/* A consumer that makes no system call: the rest of a complete sub-buffer, without holes. */
static ssize_t copy_mapped(size_t len)
{
	/* Those who read(2) in other rounds were ahead of the page. */
	__u64 pos = consumer->position > meta->consumed ? consumer->position : meta->consumed;
	__u64 n = pos / meta->subbuf_size, from = pos % meta->subbuf_size;
	const struct relayfs_subbuf *s = (const void *)((const char *)(meta + 1) +
					 n % meta->n_subbufs * meta->desc_size);

	if (n >= LOAD(meta->delivered) || s->holes || s->data_len <= from)
		return 0;
	len = s->data_len - from;
	memcpy(buf, map + meta->data_offset + n % meta->n_subbufs * meta->subbuf_size + from, len);
	__atomic_store_n(&consumer->position, (n + 1) * meta->subbuf_size, __ATOMIC_RELEASE);
	return len;
}

static const struct contestant {
	const char *name;
	ssize_t (*read)(size_t len);
	size_t len;
	bool mapped;
	/* The row it is compared with. */
	int ceiling;
} contestants[N_CONTESTANTS] = {
	{ "copy_to_user()", read_device, 65536, false, 0 },
	{ "read(2), relay (mainline)", read_relay, 65536, false, 0 },
	{ "read(2), relayfs, one CPU", read_cpu, 65536, false, 0 },
	{ "read(2), relayfs, all CPUs", read_whole, 65536, false, 0 },
	{ "copy_to_user(), 4 KiB", read_device, 4096, false, 4 },
	{ "read(2), 4 KiB, relay (mainline)", read_relay, 4096, false, 4 },
	{ "read(2), 4 KiB, relayfs, one CPU", read_cpu, 4096, false, 4 },
	{ "memcpy() of own memory", copy_own_memory, 65536, true, 7 },
	{ "mapped, relay (mainline)", copy_relay, 65536, true, 7 },
	{ "mapped, relayfs", copy_mapped, 65536, true, 7 },
};

static uint64_t first_record;

/* Number of wrong words among those of the next records. */
static size_t wrong_words(size_t len)
{
	const uint64_t *words = (const void *)buf;
	size_t wrong = 0, per_record = BENCH_RECORD / sizeof(*words);

	for (size_t i = 0; i < len / sizeof(*words); i++)
		wrong += words[i] != first_record + at / BENCH_RECORD + i / per_record;
	return wrong;
}

/* What the contestant of this round did not take. */
static void drain(const struct contestant *c)
{
	__u32 subbufs = SUBBUFS;

	if (c->read == copy_relay)
		ioctl(device, BENCH_CONSUMED, &subbufs);
	while (read(relay, buf, BENCH_SUBBUF_SIZE) > 0)
		;
	while (read(owner < 0 ? cpu0 : owner, buf, BENCH_SUBBUF_SIZE) > 0)
		;
}

/* One round; in nanoseconds. Counts what is wrong. */
static uint64_t run(const struct contestant *c, size_t *wrong)
{
	__u32 records = RECORDS;
	uint64_t t, flushed, spent = 0;
	ssize_t n;

	if (ioctl(device, BENCH_FILL, &records)) {
		perror("BENCH_FILL");
		exit(1);
	}
	if (c->read == copy_own_memory) {
		/* The same bytes at the same places. */
		for (at = 0; at < RECORDS * BENCH_RECORD; at += n) {
			n = read(device, buf, BENCH_SUBBUF_SIZE);
			memcpy(mine + (began + at) % RING_SIZE, buf, n);
		}
	}
	/* Some of it may have been ended by time before it was full. */
	if (c->read == copy_mapped)
		ioctl(owner, RELAY_IOC_FLUSH, &flushed);
	for (at = 0; at < RECORDS * BENCH_RECORD; at += n) {
		memset(buf, 0xff, c->len);
		t = now();
		n = c->read(c->len);
		spent += now() - t;
		if (n <= 0) {
			*wrong += (RECORDS * BENCH_RECORD - at) / sizeof(uint64_t);
			break;
		}
		*wrong += wrong_words(n);
	}
	drain(c);
	first_record += RECORDS;
	began = (began + RECORDS * BENCH_RECORD) % RING_SIZE;
	return spent;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Consuming with a mapping is for one alone, and the others must let go for that. */
static void open_channel(bool mapped)
{
	if (!mapped) {
		owner = -1;
		cpu0 = must_open(CHANNEL ".d/cpu0", O_RDONLY | O_NONBLOCK);
		whole = must_open(CHANNEL, O_RDONLY | O_NONBLOCK);
		return;
	}
	close(cpu0);
	close(whole);
	owner = must_open(CHANNEL ".d/cpu0", O_RDWR | O_EXCL | O_NONBLOCK);
	meta = must_map(owner, getpagesize(), PROT_READ, 0, "meta page");
	map = must_map(owner, meta->data_offset + RING_SIZE, PROT_READ, 0, "buffer");
	meta = (const void *)map;
	consumer = must_map(owner, getpagesize(), PROT_READ | PROT_WRITE, RELAYFS_OFF_CONSUMER,
			    "consumer page");
}

static void open_all(void)
{
	cpu_set_t set;

	/* The rings are of one CPU. */
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	device = must_open("/dev/relayfs_bench", O_RDONLY);
	relay = must_open("/dev/relayfs_bench_relay", O_RDONLY);
	relay_map = must_map(relay, RING_SIZE, PROT_READ, 0, "relay");
	mine = must_map(-1, RING_SIZE, PROT_READ | PROT_WRITE, 0, "memory");
	buf = must_map(-1, BENCH_SUBBUF_SIZE, PROT_READ | PROT_WRITE, 0, "memory");
	open_channel(false);
}

int main(int argc, char **argv)
{
	static uint64_t spent[MAX_ROUNDS];
	int rounds = argc > 1 ? atoi(argv[1]) : 200;
	double cost[N_CONTESTANTS];
	size_t all_wrong = 0;

	if (rounds < 1 || rounds > MAX_ROUNDS)
		return 1;
	open_all();
	printf("%-36s %10s %8s %8s\n", "ns per record of 64 B, read", "median", "ceiling", "wrong");
	for (int i = 0; i < N_CONTESTANTS; i++) {
		const struct contestant *c = &contestants[i];
		size_t wrong = 0;

		if (c->mapped && owner < 0)
			open_channel(true);
		/* Pages are touched the first time. */
		run(c, &wrong);
		run(c, &wrong);
		for (int r = 0; r < rounds; r++)
			spent[r] = run(c, &wrong);
		qsort(spent, rounds, sizeof(spent[0]), compare);
		cost[i] = (double)spent[rounds / 2] / RECORDS;
		printf("%-36s %10.2f %8.2f %8zu\n", c->name, cost[i],
		       cost[c->ceiling] / cost[i], wrong);
		fflush(stdout);
		all_wrong += wrong;
	}
	return all_wrong != 0;
}
