// SPDX-License-Identifier: GPL-2.0

/*
 * Prints what a CPU writes to a no-overwrite channel whose client discards nothing, as the only
 * consumer, and makes no system call for that while there is data:
 *
 *	consume /sys/kernel/relay/CHANNEL.d/cpuN
 */

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/relayfs.h>

#define LOAD(word) __atomic_load_n(&(word), __ATOMIC_ACQUIRE)

int main(int argc, char **argv)
{
	int fd = open(argv[argc - 1], O_RDWR | O_EXCL);
	struct relayfs_meta *m = mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, fd, 0);
	struct relayfs_consumer *c = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
					  MAP_SHARED, fd, RELAYFS_OFF_CONSUMER);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	__u64 n, from, flushed;

	if (m == MAP_FAILED || c == MAP_FAILED)
		return perror(argv[argc - 1]), 1;
	char *map = mmap(NULL, m->data_offset + m->subbuf_size * m->n_subbufs, PROT_READ,
			 MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return perror("mmap"), 1;
	/* The beginning of a sub-buffer may have been read before. */
	from = LOAD(m->consumed) % m->subbuf_size;
	for (n = LOAD(m->consumed) / m->subbuf_size;;) {
		for (; LOAD(m->delivered) > n; n++, from = 0) {
			const struct relayfs_subbuf *d = (void *)(map + sizeof(*m) +
					n % m->n_subbufs * m->desc_size);
			__u64 slot = m->data_offset + n % m->n_subbufs * m->subbuf_size;

			if (from < d->data_start)
				from = d->data_start;
			/* Not one that was skipped. */
			if (!(LOAD(d->claim) >> 16 & 1) && from < d->data_len)
				fwrite(map + slot + from, d->data_len - from, 1, stdout);
			__atomic_store_n(&c->position, (n + 1) * m->subbuf_size,
					 __ATOMIC_RELEASE);
		}
		fflush(stdout);
		if (poll(&p, 1, -1) < 0 || p.revents & POLLHUP)
			return 0;
		/* There is something: if it is no whole sub-buffer yet, make it one. */
		if (LOAD(m->delivered) <= n)
			ioctl(fd, RELAY_IOC_FLUSH, &flushed);
	}
}
