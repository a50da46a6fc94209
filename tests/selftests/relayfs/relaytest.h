/* SPDX-License-Identifier: GPL-2.0 */
/* What the selftests share: the test client, files of a channel, records that prove themselves. */
#ifndef RELAYTEST_H
#define RELAYTEST_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <relayfs_test.h>
#include <linux/relayfs.h>

#include "kselftest_harness.h"

/* Only what hangs is to end by time: 30 seconds are little for an emulated, checking kernel. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	600

#define MOUNT		"/sys/kernel/relay"
#define PAGE		4096

/* As in <linux/relayfs_fs.h>, which is for kernel clients. */
#define RELAY_DELIVERY_BULK	0x001
#define RELAY_DELIVERY_PACKET	0x002
#define RELAY_SCHEME_LOCKLESS	0x004
#define RELAY_SCHEME_LOCKING	0x008
#define RELAY_SCHEME_ANY	0x00c
#define RELAY_TIMESTAMP_TSC	0x010
#define RELAY_TIMESTAMP_MONO	0x020
#define RELAY_TIMESTAMP_ANY	0x030
#define RELAY_TIMESTAMP_NONE	0x800
#define RELAY_USAGE_SMP		0x040
#define RELAY_USAGE_GLOBAL	0x080
#define RELAY_MODE_CONTINUOUS	0x100
#define RELAY_MODE_NO_OVERWRITE	0x200
#define RELAY_FORMAT_RECORDS	0x2000
#define RELAY_DUPLEX		0x4000
#define RELAY_WATERMARK_DEFAULT	0
#define RELAY_WATERMARK_BYTES	1
#define RELAY_WATERMARK_PERCENT	2
#define RELAY_WATERMARK_SUBBUFS	3
#define RELAY_WATERMARK_WRITE	4

static inline int test_device(void)
{
	return open("/dev/relayfs_test", O_RDWR | O_CLOEXEC);
}

/* Loads another test client; it lies beside the tests. */
static inline void load_module(const char *name)
{
	static const char * const folders[] = { ".", "relayfs" };
	char path[64];

	for (int i = 0; i < 2; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/%s.ko", folders[i], name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		syscall(SYS_finit_module, fd, "", 0);
		close(fd);
	}
}

/* Unloads all clients there are, also those that other tests have left. */
static inline void unload_clients(void)
{
	if (system("sed -n 's/^relayfs [0-9]* [0-9]* \\([^ ]*\\) .*/\\1/p' /proc/modules |"
		   " tr , '\\n' | while read -r m; do rmmod $m 2>/dev/null; done"))
		perror("unloading");
}

/* Opens a channel; its id, or -errno. */
static inline int chan_open_attr(int dev, const char *path, struct relaytest_open o)
{
	o.path = (uintptr_t)path;
	if (ioctl(dev, RELAYTEST_OPEN, &o))
		return -errno;
	return o.id;
}

static inline int chan_open(int dev, const char *path, uint64_t subbuf_size, uint32_t n_subbufs,
			    uint32_t flags)
{
	return chan_open_attr(dev, path, (struct relaytest_open){
		.subbuf_size = subbuf_size, .n_subbufs = n_subbufs, .flags = flags });
}

static inline int chan_close(int dev, uint32_t id)
{
	return ioctl(dev, RELAYTEST_CLOSE, &id) ? -errno : 0;
}

static inline int chan_flush(int dev, uint32_t id)
{
	return ioctl(dev, RELAYTEST_FLUSH, &id) ? -errno : 0;
}

static inline int chan_reset(int dev, uint32_t id)
{
	return ioctl(dev, RELAYTEST_RESET, &id) ? -errno : 0;
}

/* Writes a record on this CPU; what relay_write() returned, or -errno. */
static inline long chan_write(int dev, uint32_t id, const void *data, uint64_t len)
{
	struct relaytest_write w = { .id = id, .data = (uintptr_t)data, .len = len };
	long ret = ioctl(dev, RELAYTEST_WRITE, &w);

	return ret < 0 ? -errno : ret;
}

/* The same, waiting for room; -1: as long as it takes. */
static inline long chan_write_wait(int dev, uint32_t id, const void *data, uint64_t len, int ms)
{
	struct relaytest_write w = { .id = id, .data = (uintptr_t)data, .len = len,
				     .timeout_ms = ms };
	long ret = ioctl(dev, RELAYTEST_WRITE_WAIT, &w);

	return ret < 0 ? -errno : ret;
}

static inline int chan_pattern(int dev, struct relaytest_pattern *p)
{
	return ioctl(dev, RELAYTEST_PATTERN, p) ? -errno : 0;
}

/* Opens a file of the mount. */
static inline int file_open(const char *name, int flags)
{
	char path[1280];

	snprintf(path, sizeof(path), MOUNT "/%s", name);
	return open(path, flags | O_CLOEXEC);
}

static inline bool file_exists(const char *name)
{
	char path[1280];
	struct stat st;

	snprintf(path, sizeof(path), MOUNT "/%s", name);
	return stat(path, &st) == 0;
}

/* Opens a file of the mount as an observer. */
static inline int observer_open(const char *name, int flags)
{
	int fd = file_open(name, flags);

	if (fd >= 0 && ioctl(fd, RELAY_IOC_OBSERVE)) {
		close(fd);
		return -1;
	}
	return fd;
}

static inline int pin_to_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static inline int cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

/* The state of a task: 'S' when it sleeps in the kernel. */
static inline char task_state(pid_t tid)
{
	char path[64], line[512] = "", *end;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, line, sizeof(line) - 1) < 0)
		line[0] = 0;
	close(fd);
	end = strrchr(line, ')');
	return end && end[1] ? end[2] : 0;
}

/*
 * Waits until a task sleeps: in 'S', which any signal ends, or 'D', which only a deadly one ends;
 * false if it does not come to that.
 */
static inline bool await_sleep(pid_t tid, char state)
{
	for (int i = 0; i < 30000; i++) {
		if (task_state(tid) == state)
			return true;
		usleep(1000);
	}
	return false;
}

/* A row of /proc/meminfo, in KiB; -1 if there is none. */
static inline int64_t meminfo(const char *row)
{
	char line[128];
	int64_t kib = -1;
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && kib < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, row, strlen(row)) && line[strlen(row)] == ':')
			kib = strtoll(line + strlen(row) + 1, NULL, 10);
	if (f)
		fclose(f);
	return kib;
}

/* Brings a CPU up or takes it away; 0, or -errno. */
static inline int cpu_set_online(int cpu, bool online)
{
	char path[64];
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, online ? "1" : "0", 1) == 1 ? 0 : -errno;
	close(fd);
	return ret;
}

/* A module's parameter as a number; INT64_MIN if there is none. */
static inline int64_t module_parameter(const char *module, const char *name)
{
	char text[32] = "", path[128];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", module, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close(fd);
	return len > 0 ? strtoll(text, NULL, 10) : INT64_MIN;
}

static inline int64_t parameter_get(const char *name)
{
	return module_parameter("relayfs", name);
}

/* Sets a parameter of relayfs; 0, or -errno. */
static inline int parameter_set_text(const char *name, const char *value)
{
	char path[128];
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/module/relayfs/parameters/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* An empty value is an end of line: a write of nothing would not be one. */
	if (!*value)
		value = "\n";
	ret = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static inline int parameter_set(const char *name, int64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	return parameter_set_text(name, text);
}

static inline double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/*
 * So much of an amount of work as RELAYTEST_SCALE says in percent: a kernel that checks each access
 * is slow, and needs fewer of them.
 */
static inline unsigned int scaled(unsigned int amount)
{
	const char *scale = getenv("RELAYTEST_SCALE");
	unsigned int part = scale ? amount * atoi(scale) / 100 : amount;

	return part ? part : 1;
}

/* Whether the kernel knows how fast the counter of cycles runs. */
static inline bool tsc_rate_is_known(void)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	double mhz = 0;
	char line[4096];

	while (f && !mhz && fgets(line, sizeof(line), f))
		sscanf(line, "cpu MHz : %lf", &mhz);
	if (f)
		fclose(f);
	return mhz > 0;
}

/* Whether events are to have times by a counter whose rate is not known: there is no such one. */
static inline bool lacks_clock(uint32_t flags)
{
	return flags & RELAY_FORMAT_RECORDS && flags & RELAY_TIMESTAMP_TSC && !tsc_rate_is_known();
}

/* Returns at a later time by the kernel's clock, which may tick only every few milliseconds. */
static inline void next_moment(void)
{
	double now = seconds();

	while (seconds() == now)
		;
}

/* A counter of a row ("cpu0", "total") of a channel's info file; -1 if there is none. */
static inline int64_t info(const char *channel, const char *row, const char *key, bool bytes)
{
	char path[256], line[1024], *word, *save;
	int64_t found = -1;
	FILE *f;

	snprintf(path, sizeof(path), MOUNT "/%s.d/info", channel);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (found < 0 && fgets(line, sizeof(line), f)) {
		word = strtok_r(line, ": \n", &save);
		if (!word || strcmp(word, row))
			continue;
		while ((word = strtok_r(NULL, ": \n", &save))) {
			if (strcmp(word, key))
				continue;
			word = strtok_r(NULL, " \n", &save);
			if (word && bytes)
				word = strtok_r(NULL, " \n", &save);
			found = word ? strtoll(word, NULL, 10) : -1;
			break;
		}
	}
	fclose(f);
	return found;
}

/* An attribute in a channel's info file that is a number; -1 if there is none. */
static inline int64_t attribute(const char *channel, const char *key)
{
	char path[256], line[1024];
	int64_t found = -1;
	size_t len = strlen(key);
	FILE *f;

	snprintf(path, sizeof(path), MOUNT "/%s.d/info", channel);
	f = fopen(path, "re");
	while (f && found < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, len) && line[len] == ':')
			found = strtoll(line + len + 1, NULL, 10);
	if (f)
		fclose(f);
	return found;
}

/* Length of the record at @at if it is whole and every byte is right, else 0. */
static inline size_t record_check(const unsigned char *at, size_t left)
{
	struct relaytest_record r;
	unsigned char byte;
	size_t i;

	if (left < sizeof(r))
		return 0;
	memcpy(&r, at, sizeof(r));
	if (r.magic != RELAYTEST_MAGIC || r.len < sizeof(r) || r.len > left)
		return 0;
	byte = relaytest_byte(r.writer, r.number);
	for (i = sizeof(r); i < r.len; i++)
		if (at[i] != byte)
			return 0;
	return r.len;
}

#endif
