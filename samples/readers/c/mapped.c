// SPDX-License-Identifier: GPL-2.0

/*
 * Prints what a CPU writes from now on, and on standard error how many records it missed. It reads
 * a mapping and consumes nothing:
 *
 *	mapped /sys/kernel/relay/CHANNEL.d/cpuN
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/relayfs.h>

#define LOAD(word) __atomic_load_n(&(word), __ATOMIC_ACQUIRE)

/* Copies sub-buffer n; 0 if it was skipped or is overwritten. */
static int take(const char *map, __u64 n, struct relayfs_subbuf *desc, char *data)
{
	const struct relayfs_meta *m = (const void *)map;
	__u64 slot = n % m->n_subbufs, own = (n + 1) << 1 & ~0ull >> 16;
	const struct relayfs_subbuf *s = (const void *)(map + sizeof(*m) + slot * m->desc_size);

	if (LOAD(s->claim) >> 16 != own)
		return 0;
	memcpy(desc, s, sizeof(*desc));
	memcpy(data, map + m->data_offset + slot * m->subbuf_size, m->subbuf_size);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return LOAD(s->claim) >> 16 == own;
}

int main(int argc, char **argv)
{
	int fd = open(argv[argc - 1], O_RDONLY);
	struct relayfs_meta *m = mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, fd, 0);
	struct relayfs_subbuf d;
	__u64 n, end, next_record = ~0ull;

	if (m == MAP_FAILED)
		return perror(argv[argc - 1]), 1;
	char *map = mmap(NULL, m->data_offset + m->subbuf_size * m->n_subbufs, PROT_READ,
			 MAP_SHARED, fd, 0);
	char *data = malloc(m->subbuf_size);
	__u32 *hole = malloc(m->subbuf_size * sizeof(*hole));

	if (map == MAP_FAILED || !data || !hole)
		return perror("memory"), 1;
	for (n = LOAD(m->delivered);; usleep(10000)) {
		for (end = LOAD(m->delivered); n < end; n++) {
			if (end - n > m->n_subbufs)
				n = end - m->n_subbufs;
			if (!take(map, n, &d, data))
				continue;
			if (d.first_record > next_record)
				fprintf(stderr, "%llu records missed\n",
					d.first_record - next_record);
			next_record = d.first_record + d.records;
			memset(hole, 0, m->subbuf_size * sizeof(*hole));
			__u32 at = d.holes && (d.holes - 1) / m->subbuf_size == n ?
				   (d.holes - 1) % m->subbuf_size + 1 : 0;
			for (; at; memcpy(&at, data + at + 3, 4))
				memcpy(&hole[at - 1], data + at - 1, 4);
			for (at = 0; at < d.data_len; at += hole[at] ? hole[at] : 1)
				if (!hole[at])
					putchar(data[at]);
		}
		fflush(stdout);
	}
}
