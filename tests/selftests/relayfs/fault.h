/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's fault injection, one fault at a time: the N-th place of an operation that may fail
 * does. See Documentation/fault-injection/fault-injection.rst of the kernel.
 */
#ifndef RELAYTEST_FAULT_H
#define RELAYTEST_FAULT_H

#include "relaytest.h"

#define FAIL_NTH	"/proc/thread-self/fail-nth"

/* Far more than the longest operation has. */
#define MOST_FAULTS	5000

static inline bool fault_injection_available(void)
{
	return !access(FAIL_NTH, W_OK) && !access("/sys/kernel/debug/failslab", F_OK) &&
	       !access("/sys/kernel/debug/fail_page_alloc", F_OK) &&
	       !access("/sys/kernel/debug/fail_usercopy", F_OK);
}

/* Sets a file of /sys/kernel/debug. */
static inline int fault_set(const char *kind, const char *file, unsigned long value)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", kind, file);
	f = fopen(path, "we");
	if (!f || fprintf(f, "%lu\n", value) < 0)
		return -1;
	return fclose(f);
}

/* Faults of this kind happen only below functions in this range of addresses. */
static inline int fault_below(const char *kind, unsigned long start, unsigned long end)
{
	return fault_set(kind, "require-start", start) | fault_set(kind, "require-end", end);
}

static inline int fault_anywhere(const char *kind)
{
	return fault_below(kind, 0, ~0ul);
}

/* No address is in an empty range. */
static inline int fault_nowhere(const char *kind)
{
	return fault_below(kind, 1, 1);
}

/* Also allocations that may sleep, and pages of every kind; and no word about any of them. */
static inline int fault_set_up(void)
{
	return fault_set("failslab", "verbose", 0) | fault_set("failslab", "ignore-gfp-wait", 0) |
	       fault_set("fail_page_alloc", "verbose", 0) |
	       fault_set("fail_page_alloc", "ignore-gfp-wait", 0) |
	       fault_set("fail_page_alloc", "ignore-gfp-highmem", 0) |
	       fault_set("fail_page_alloc", "min-order", 0) |
	       fault_set("fail_usercopy", "verbose", 0);
}

static inline int fault_memory_only(void)
{
	return fault_anywhere("failslab") | fault_anywhere("fail_page_alloc") |
	       fault_nowhere("fail_usercopy");
}

static inline int fault_usercopy_only(void)
{
	return fault_nowhere("failslab") | fault_nowhere("fail_page_alloc") |
	       fault_anywhere("fail_usercopy");
}

/* From here on this thread's @nth place fails. The descriptor, for fault_disarm(). */
static inline int fault_arm(unsigned int nth)
{
	char text[16];
	int fd = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	int len = snprintf(text, sizeof(text), "%u", nth);

	if (fd < 0 || write(fd, text, len) != len) {
		perror(FAIL_NTH);
		exit(1);
	}
	return fd;
}

/* How many places are still to come before the fault; 0: it has happened. */
static inline int fault_left(int fd)
{
	char text[16] = "";

	/* The fault may hit this very read: so it had not happened before. */
	return pread(fd, text, sizeof(text) - 1, 0) > 0 ? atoi(text) : 1;
}

/* Whether the fault has happened. Keeps errno. */
static inline bool fault_disarm(int fd)
{
	int error = errno;
	bool happened = fault_left(fd) == 0;

	while (write(fd, "0", 1) != 1)
		;
	close(fd);
	errno = error;
	return happened;
}

/*
 * What a sweep found. A fault need not fail the operation: some allocations have a second way.
 */
struct sweep {
	int failed, survived, wrong;
};

/* Of so many faults one is tried, but for the first. */
static inline int fault_stride(void)
{
	return scaled(100) < 25 ? 8 : 1;
}

/*
 * Does @operation (0, or -1 and errno) with each of its faults; or, where little is to be done,
 * with the first and some of the others. @check says if all is clean.
 */
static inline struct sweep sweep(int (*operation)(void *), void *arg,
				 int (*check)(void *, bool failed))
{
	struct sweep s = {};
	bool happened = true;

	for (int nth = 1; happened && nth < MOST_FAULTS; nth += nth < 8 ? 1 : fault_stride()) {
		int fd = fault_arm(nth);
		int ret = operation(arg);
		int error = errno;

		happened = fault_disarm(fd);
		if (ret && (!happened || error != ENOMEM)) {
			printf("# fault %d: %s\n", nth, strerror(error));
			s.wrong++;
		} else if (check(arg, ret)) {
			printf("# fault %d: not clean\n", nth);
			s.wrong++;
		}
		s.failed += ret != 0;
		s.survived += happened && !ret;
		if (s.wrong > 5)
			break;
	}
	printf("# %d failed, %d had a second way\n", s.failed, s.survived);
	return s;
}

#endif
