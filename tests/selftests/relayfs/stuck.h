/* SPDX-License-Identifier: GPL-2.0 */
/* A reader in a read that lasts: its memory is this program's to bring, by userfaultfd. */
#ifndef STUCK_H
#define STUCK_H

#include <linux/userfaultfd.h>
#include <pthread.h>
#include "relaytest.h"

struct stuck {
	int fd, uffd;
	void *to;		/* a page that is not there */
	ssize_t got;
	pthread_t thread;
};

static inline void *stuck_read(void *arg)
{
	struct stuck *s = arg;

	s->got = read(s->fd, s->to, PAGE);
	return NULL;
}

/* Has @fd, where there is something, read until the page is brought; 0, or -errno. */
static inline int stuck_begin(struct stuck *s, int fd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffd_msg msg;

	s->fd = fd;
	s->uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	s->to = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	range.range.start = (uintptr_t)s->to;
	range.range.len = PAGE;
	if (s->uffd < 0 || s->to == MAP_FAILED || ioctl(s->uffd, UFFDIO_API, &api) ||
	    ioctl(s->uffd, UFFDIO_REGISTER, &range))
		return -errno;
	if (pthread_create(&s->thread, NULL, stuck_read, s))
		return -EAGAIN;
	return read(s->uffd, &msg, sizeof(msg)) == sizeof(msg) ? 0 : -errno;
}

/* Brings the page, and waits for the read; what that gave. */
static inline ssize_t stuck_end(struct stuck *s)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)s->to, PAGE } };

	if (ioctl(s->uffd, UFFDIO_ZEROPAGE, &zero))
		return -errno;
	pthread_join(s->thread, NULL);
	munmap(s->to, PAGE);
	close(s->uffd);
	return s->got;
}

#endif
