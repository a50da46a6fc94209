// SPDX-License-Identifier: GPL-2.0
/*
 * Channels open and close, their client is loaded and unloaded, and all the while users open, read,
 * write, watch, map and leave their files. Nothing may go wrong, every record that is read must be
 * right and come in order, the accounts of each channel must add up, and in the end no memory may
 * be missing.
 *
 * STORM_SECONDS says how long it lasts, STORM_SEED where the draws begin.
 */

#include <pthread.h>
#include <poll.h>
#include "relaytest.h"

#define USERS	6
#define WRITERS	64
#define FIRST_USER	16	/* users write as writers from this number on */
#define RECORD		480	/* the longest */

static bool over;
static unsigned long sum, wrong, reads, writes, opens;

struct user {
	pthread_t thread;
	unsigned int rnd, id;
	unsigned int number;	/* of the last record it wrote, or tried to */
	unsigned char *buf;
};

/* Larger than all buffers of a channel: a read that does not fill it ends between two records. */
#define ROOM	(8 << 20)

static bool is_over(void)
{
	return __atomic_load_n(&over, __ATOMIC_RELAXED);
}

static unsigned int draw(struct user *u, unsigned int below)
{
	return rand_r(&u->rnd) % below;
}

static void name_something(struct user *u, char *path, size_t size)
{
	const char *dir = draw(u, 2) ? "storm" : "storm/deep/er";
	unsigned int life = draw(u, 4);

	switch (draw(u, 7)) {
	case 0:
		snprintf(path, size, MOUNT "/%s/%u.d/%s", dir, life,
			 draw(u, 3) ? "info" : draw(u, 2) ? "control" : "metadata");
		break;
	case 1:
	case 2:
		snprintf(path, size, MOUNT "/%s/%u", dir, life);
		break;
	default:
		snprintf(path, size, MOUNT "/%s/%u.d/cpu%u", dir, life, draw(u, cpus()));
	}
}

/* The reserves of a channel are in its stream, too, and so is what makes packets of records. */
static bool has_reserves(int fd, bool cpu_file)
{
	struct relayfs_info info = { .size = sizeof(info) };

	return !cpu_file || ioctl(fd, RELAY_IOC_GET_INFO, &info) || info.start_reserve ||
	       info.end_reserve || info.channel_start_reserve ||
	       info.flags & RELAY_FORMAT_RECORDS;
}

/* Records, whole, and of each writer in the order in which it wrote them. */
static void verify(const unsigned char *from, size_t size, unsigned int last[WRITERS])
{
	const unsigned char *at = from;
	size_t left = size;

	while (left) {
		size_t len = record_check(at, left);
		struct relaytest_record r;

		memcpy(&r, at, sizeof(r));
		if (!len || r.writer >= WRITERS || r.number <= last[r.writer]) {
			fprintf(stderr,
				"# wrong: %zu of %zu left, len %u, writer %u: %u after %u\n",
				left, size, r.len, r.writer, r.number,
				r.writer < WRITERS ? last[r.writer] : 0);
			for (int i = at - from < 64 ? from - at : -64; i < 64; i++)
				fprintf(stderr, "%s%02x", i ? " " : " | ", at[i]);
			fprintf(stderr, "\n");
			__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
			return;
		}
		last[r.writer] = r.number;
		at += len;
		left -= len;
	}
}

static void read_some(struct user *u, int fd, bool verifies)
{
	unsigned int last[WRITERS] = { 0 }, times = 1 + draw(u, 30);

	while (times-- && !is_over()) {
		ssize_t n = read(fd, u->buf, draw(u, 8) || verifies ? ROOM : 1 + draw(u, 9999));
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (n > 0)
			__atomic_add_fetch(&reads, 1, __ATOMIC_RELAXED);
		if (!n || n == ROOM || (n < 0 && errno != EAGAIN))
			return;
		if (n > 0 && verifies)
			verify(u->buf, n, last);
		poll(&p, 1, draw(u, 20));
	}
}

/* Records that are right, until one is refused or the channel ends. */
static void write_some(struct user *u, int fd)
{
	unsigned int times = 1 + draw(u, 30);

	while (times-- && !is_over()) {
		struct relaytest_record r = {
			.magic = RELAYTEST_MAGIC,
			.len = sizeof(r) + draw(u, RECORD - sizeof(r)),
			.writer = FIRST_USER + u->id,
			.number = ++u->number,
		};

		memcpy(u->buf, &r, sizeof(r));
		memset(u->buf + sizeof(r), relaytest_byte(r.writer, r.number), r.len - sizeof(r));
		if (write(fd, u->buf, r.len) != (ssize_t)r.len)
			return;
		__atomic_add_fetch(&writes, 1, __ATOMIC_RELAXED);
	}
}

/* Closes the file, before or after it has looked at the mapping. */
static void map_some(struct user *u, int fd)
{
	struct relayfs_meta *meta;
	unsigned char *all;
	size_t len;

	meta = mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, fd, 0);
	if (meta == MAP_FAILED) {
		close(fd);
		return;
	}
	len = meta->data_offset + meta->subbuf_size * meta->n_subbufs;
	all = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	munmap(meta, getpagesize());
	if (draw(u, 2)) {
		close(fd);
		fd = -1;
	}
	/* It may have been replaced by one of another size meanwhile. */
	for (int times = draw(u, 3); all != MAP_FAILED && times >= 0; times--) {
		for (size_t i = 0; i < len; i += 1024)
			__atomic_add_fetch(&sum, all[i], __ATOMIC_RELAXED);
		usleep(draw(u, 20000));
	}
	if (all != MAP_FAILED)
		munmap(all, len);
	close(fd);
}

static void use_something(struct user *u)
{
	bool observes = draw(u, 2), cpu_file, writes_too;
	char path[128];
	int fd;

	name_something(u, path, sizeof(path));
	cpu_file = strstr(path, ".d/cpu");
	writes_too = !cpu_file && draw(u, 2);
	fd = open(path, O_CLOEXEC | (writes_too ? O_RDWR : O_RDONLY) |
		  (draw(u, 4) ? O_NONBLOCK : 0) | (draw(u, 8) ? 0 : O_EXCL));
	if (fd < 0)
		return;
	__atomic_add_fetch(&opens, 1, __ATOMIC_RELAXED);
	if (observes && ioctl(fd, RELAY_IOC_OBSERVE))
		observes = false;
	if (!draw(u, 4)) {
		__u64 mark = 1 + draw(u, 5000);

		ioctl(fd, RELAY_IOC_SET_WATERMARK, &mark);
	}
	if (!draw(u, 4))
		ioctl(fd, _IO('Q', 1));
	if (writes_too)
		write_some(u, fd);
	if (cpu_file && !draw(u, 3)) {
		map_some(u, fd);
		return;
	}
	read_some(u, fd, observes && !has_reserves(fd, cpu_file));
	close(fd);
}

static void *use(void *data)
{
	struct user *u = data;

	u->buf = malloc(ROOM);
	while (!is_over()) {
		use_something(u);
		usleep(draw(u, 3000));
	}
	free(u->buf);
	return NULL;
}

static int load_storm(unsigned int seed)
{
	static const char * const paths[] = { "relayfs_storm.ko", "relayfs/relayfs_storm.ko" };
	char parameters[32];
	int ret = -1;

	snprintf(parameters, sizeof(parameters), "seed=%u", seed);
	for (int i = 0; i < 2 && ret; i++) {
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC);

		ret = syscall(SYS_finit_module, fd, parameters, 0);
		close(fd);
	}
	return ret;
}

/* What each processor keeps of freed pages for itself, in KiB: tens of MiB, not in any sum. */
static int64_t memory_kept_by_cpus(void)
{
	FILE *zones = fopen("/proc/zoneinfo", "r");
	unsigned long pages, sum = 0;
	char line[256];

	while (zones && fgets(line, sizeof(line), zones)) {
		if (sscanf(line, " count: %lu", &pages) == 1)
			sum += pages;
	}
	if (zones)
		fclose(zones);
	return sum * (getpagesize() / 1024);
}

/* Memory in use, in KiB; it comes and goes a little whatever one does. */
static int64_t memory_used(void)
{
	return meminfo("MemTotal") - meminfo("MemAvailable") - memory_kept_by_cpus();
}

/*
 * Whether nothing to speak of is used besides. KASAN keeps what was freed for a while, in as much
 * as a 32nd of all memory; a kernel that has it finds by itself what was forgotten.
 */
static bool is_back(int64_t before)
{
	bool has_kasan = !access("/sys/kernel/debug/kmemleak", F_OK);
	int64_t tolerance = (8 << 10) + (has_kasan ? meminfo("MemTotal") / 32 : 0);

	for (int i = 0; i < 100; i++) {
		if (parameter_get("used_bytes") == 0 && memory_used() < before + tolerance)
			return true;
		usleep(100000);
	}
	return false;
}

/* A short storm on a slow machine goes on until it has seen something of everything. */
static bool is_enough(double end, bool seen_all)
{
	return seconds() >= end && (seen_all || seconds() >= end + 120);
}

TEST(what_happens_to_channels_in_a_storm_leaves_no_trace)
{
	const char *seconds_text = getenv("STORM_SECONDS"), *seed_text = getenv("STORM_SEED");
	double length = seconds_text ? atof(seconds_text) : scaled(cpus() < 4 ? 20 : 60);
	unsigned int seed = seed_text ? atoi(seed_text) : time(NULL), rnd = seed, loads = 0;
	int64_t before, written = 0, found = 0, ended = 0, told = 0, from_users = 0;
	struct user users[USERS] = { 0 };
	double end;

	TH_LOG("seed %u", seed);
	ASSERT_EQ(parameter_get("used_bytes"), 0);
	before = memory_used();
	for (int i = 0; i < USERS; i++) {
		users[i].rnd = seed * 31 + i;
		users[i].id = i;
		ASSERT_EQ(pthread_create(&users[i].thread, NULL, use, &users[i]), 0);
	}
	for (end = seconds() + length; !is_enough(end, found && told && from_users); loads++) {
		ASSERT_EQ(load_storm(rand_r(&rnd)), 0);
		usleep(500000 + rand_r(&rnd) % 4000000);
		written += module_parameter("relayfs_storm", "written");
		found += module_parameter("relayfs_storm", "read");
		ended += module_parameter("relayfs_storm", "ended");
		told += module_parameter("relayfs_storm", "told");
		from_users += module_parameter("relayfs_storm", "from_users");
		/* Not as long as somebody has a file of its own open. */
		while (syscall(SYS_delete_module, "relayfs_storm", 0))
			ASSERT_EQ(errno, EAGAIN)
				TH_LOG("%s", strerror(errno));
	}
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	for (int i = 0; i < USERS; i++)
		pthread_join(users[i].thread, NULL);
	TH_LOG("%u loads, %lld channels, %lld records, %lld read in the kernel", loads,
	       (long long)ended, (long long)written, (long long)found);
	TH_LOG("%lu files opened, %lu reads; %lld records of users, %lld callbacks", opens, reads,
	       (long long)from_users, (long long)told);
	EXPECT_EQ(wrong, 0);
	EXPECT_GT(ended, 0);
	EXPECT_GT(written, 0);
	EXPECT_GT(found, 0);
	EXPECT_GT(reads, 0);
	EXPECT_GT(told, 0);
	EXPECT_GT(from_users, 0);
	EXPECT_GE(writes, from_users);
	EXPECT_TRUE(is_back(before))
		TH_LOG("%lld KiB used, %lld before; kept by CPUs: %lld; buffers: %lld bytes",
		       (long long)memory_used(), (long long)before,
		       (long long)memory_kept_by_cpus(),
		       (long long)parameter_get("used_bytes"));
}

TEST_HARNESS_MAIN
