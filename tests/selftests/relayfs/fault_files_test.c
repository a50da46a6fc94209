// SPDX-License-Identifier: GPL-2.0
/*
 * Each single allocation of what is done with the files of a channel fails in turn: the right
 * errno, nothing is left behind, and the same works at once. And those for a CPU that comes up.
 */

#include <signal.h>
#include "faulttest.h"
#include "mapped.h"

static int open_file(void *arg)
{
	int fd = file_open(arg, O_RDONLY | O_NONBLOCK);

	if (fd < 0)
		return -1;
	return close(fd);
}

static int nothing_to_check(void *arg, bool failed)
{
	(void)arg;
	(void)failed;
	return 0;
}

TEST_F(fault, opening_files)
{
	static const char * const files[] = { "faulty", "faulty.d/cpu0", "faulty.d/info" };
	int id = chan_open(self->dev, "faulty", 4096, 4, 0);

	ASSERT_GE(id, 0);
	for (int i = 0; i < 3; i++) {
		struct sweep s = sweep(open_file, (void *)files[i], nothing_to_check);

		EXPECT_EQ(s.wrong, 0);
		EXPECT_GE(s.failed, 1);
	}
}

struct mapping {
	int fd;
	size_t len;
};

static int map_buffer(void *arg)
{
	struct mapping *m = arg;
	void *at = mmap(NULL, m->len, PROT_READ, MAP_SHARED, m->fd, 0);

	return at == MAP_FAILED ? -1 : munmap(at, m->len);
}

TEST_F(fault, mapping)
{
	struct mapping m = { .len = PAGE };
	struct relayfs_meta *meta;
	struct sweep s;

	ASSERT_GE(chan_open(self->dev, "faulty", 4096, 4, 0), 0);
	m.fd = file_open("faulty.d/cpu0", O_RDWR);
	ASSERT_GE(m.fd, 0);
	meta = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, m.fd, 0);
	ASSERT_NE(meta, MAP_FAILED);
	m.len = meta->data_offset + meta->subbuf_size * meta->n_subbufs;
	munmap(meta, PAGE);
	s = sweep(map_buffer, &m, nothing_to_check);
	EXPECT_EQ(s.wrong, 0);
	EXPECT_GT(s.failed, 0);
	close(m.fd);
}

/* One descriptor at a time, to which something is done that allocates. */
struct doing {
	int dev, id, fd, flags;
	const char *name;
	int (*what)(struct doing *d);
	bool (*works)(struct doing *d);
	void *page;
};

static int do_it(void *arg)
{
	struct doing *d = arg;

	return d->what(d);
}

/* The same descriptor can have it done now, and the next one is new. */
static int check_done(void *arg, bool failed)
{
	struct doing *d = arg;
	bool right = (!failed || !d->what(d)) && d->works(d);

	close(d->fd);
	right &= info_of(d->fd = file_open(d->name, d->flags)).readers == 1;
	return right ? 0 : -1;
}

static void sweep_descriptors(struct __test_metadata *_metadata, struct doing *d)
{
	int64_t used;
	struct sweep s;

	d->id = chan_open(d->dev, "faulty", 4096, 4, RELAY_DELIVERY_PACKET);
	ASSERT_GE(d->id, 0);
	used = parameter_get("used_bytes");
	d->fd = file_open(d->name, d->flags);
	ASSERT_GE(d->fd, 0);
	s = sweep(do_it, d, check_done);
	EXPECT_EQ(s.wrong, 0);
	EXPECT_GE(s.failed, 1);
	EXPECT_EQ(parameter_get("used_bytes"), used);
	close(d->fd);
	EXPECT_EQ(chan_close(d->dev, d->id), 0);
}

static int observe(struct doing *d)
{
	return ioctl(d->fd, RELAY_IOC_OBSERVE);
}

/* It observes, once, and reads what there is. */
static bool observes(struct doing *d)
{
	char bytes[64];

	return info_of(d->fd).observers == 1 && observe(d) && errno == EBUSY &&
	       chan_write(d->dev, d->id, "x", 1) == 1 && read(d->fd, bytes, sizeof(bytes)) > 0 &&
	       info_of(d->fd).read.records == 0;
}

TEST_F(fault, observing)
{
	static const char * const names[] = { "faulty.d/cpu0", "faulty" };

	ASSERT_EQ(pin_to_cpu(0), 0);
	for (int i = 0; i < 2; i++) {
		struct doing d = { .dev = self->dev, .flags = O_RDONLY | O_NONBLOCK,
				   .name = names[i], .what = observe, .works = observes };

		sweep_descriptors(_metadata, &d);
	}
}

static int map_page(struct doing *d)
{
	d->page = map_consumer(d->fd, PROT_READ | PROT_WRITE, MAP_SHARED);
	return d->page == MAP_FAILED ? -1 : 0;
}

/* What is stored there is consumed, and the page is the descriptor's only one. */
static bool page_works(struct doing *d)
{
	struct relayfs_meta *meta = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, d->fd, 0);
	struct relayfs_consumer *page = d->page, *again;
	bool right;

	again = map_consumer(d->fd, PROT_READ | PROT_WRITE, MAP_SHARED);
	right = meta != MAP_FAILED && again != MAP_FAILED && !page->position;

	if (!right)
		return false;
	right = chan_write(d->dev, d->id, "x", 1) == 1 && info_of(d->fd).unread.records == 1;
	STORE(again->position, LOAD(meta->write_pos));
	right &= page->position == again->position && info_of(d->fd).unread.records == 0;
	munmap(meta, PAGE);
	munmap(again, PAGE);
	munmap(page, PAGE);
	return right;
}

TEST_F(fault, mapping_the_consumer_page)
{
	struct doing d = { .dev = self->dev, .flags = O_RDWR | O_EXCL | O_NONBLOCK,
			   .name = "faulty.d/cpu0", .what = map_page, .works = page_works };

	ASSERT_EQ(pin_to_cpu(0), 0);
	sweep_descriptors(_metadata, &d);
}

static int be_told(struct doing *d)
{
	return fcntl(d->fd, F_SETFL, O_NONBLOCK | O_ASYNC);
}

/* It is told of what is written, and nobody is who was refused. */
static bool is_told(struct doing *d)
{
	struct timespec limit = { .tv_sec = 30 }, now = {};
	char bytes[64];
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	if (fcntl(d->fd, F_SETOWN, getpid()) || chan_write(d->dev, d->id, "x", 1) != 1 ||
	    sigtimedwait(&set, NULL, &limit) != SIGIO)
		return false;
	while (read(d->fd, bytes, sizeof(bytes)) > 0)
		;
	while (sigtimedwait(&set, NULL, &now) == SIGIO)
		;
	return fcntl(d->fd, F_GETFL) & O_ASYNC;
}

TEST_F(fault, being_told_by_signals)
{
	struct doing d = { .dev = self->dev, .flags = O_RDONLY | O_NONBLOCK,
			   .name = "faulty", .what = be_told, .works = is_told };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	ASSERT_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	sweep_descriptors(_metadata, &d);
}

/* Where the code of relayfs lies. */
static int find_relayfs(unsigned long *start, unsigned long *end)
{
	char line[512], type, module[64];
	unsigned long address;
	FILE *f = fopen("/proc/kallsyms", "re");

	*start = ~0ul;
	*end = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx %c %*s [%63[^]]]", &address, &type, module) != 3 ||
		    strcmp(module, "relayfs") || (type != 't' && type != 'T'))
			continue;
		*start = address < *start ? address : *start;
		*end = address > *end ? address : *end;
	}
	if (f)
		fclose(f);
	return *start < *end ? 0 : -1;
}

struct coming {
	int dev, id, cpu;
	int64_t without, with;	/* bytes of all buffers */
	int refused;		/* how often it got none */
};

static int bring_up(void *arg)
{
	struct coming *c = arg;

	errno = -cpu_set_online(c->cpu, true);
	return errno ? -1 : 0;
}

/* It has all of a buffer, or none, and its records are counted; the next time it gets one. */
static int check_up(void *arg, bool failed)
{
	struct coming *c = arg;
	struct relaytest_pattern p = { .id = c->id, .cpu = c->cpu, .count = 1, .len = 16 };
	int64_t used = parameter_get("used_bytes");
	char file[32];

	snprintf(file, sizeof(file), "coming.d/cpu%d", c->cpu);
	if (failed || chan_pattern(c->dev, &p))
		return -1;
	if (p.written == 1 ? used != c->with || !file_exists(file) :
			     p.error != ENOBUFS || used != c->without || file_exists(file))
		return -1;
	c->refused += !p.written;
	/* As it was before: without the channel the CPU has no buffer. */
	if (cpu_set_online(c->cpu, false) || chan_close(c->dev, c->id))
		return -1;
	c->id = chan_open(c->dev, "coming", 4096, 2, 0);
	return c->id >= 0 && parameter_get("used_bytes") == c->without ? 0 : -1;
}

TEST_F(fault, a_cpu_that_comes_up)
{
	struct coming c = { .dev = self->dev, .cpu = cpus() - 1 };
	int64_t used = parameter_get("used_bytes");
	unsigned long start, end;
	struct sweep s;

	if (c.cpu < 1 || cpu_set_online(c.cpu, false))
		SKIP(return, "one CPU, or it cannot be taken away");
	/* What else is done for a CPU is not ours to test. */
	ASSERT_EQ(find_relayfs(&start, &end), 0);
	ASSERT_EQ(fault_below("failslab", start, end), 0);
	ASSERT_EQ(fault_below("fail_page_alloc", start, end), 0);
	c.id = chan_open(c.dev, "coming", 4096, 2, 0);
	ASSERT_GE(c.id, 0);
	c.without = parameter_get("used_bytes");
	c.with = c.without + (c.without - used) / c.cpu;
	s = sweep(bring_up, &c, check_up);
	EXPECT_EQ(s.wrong, 0);
	EXPECT_EQ(s.failed, 0);
	/* The meta page and the four of the data, at least. */
	EXPECT_GE(c.refused, 3);
	TH_LOG("%d times without a buffer", c.refused);
	EXPECT_EQ(chan_close(c.dev, c.id), 0);
	EXPECT_EQ(cpu_set_online(c.cpu, true), 0);
}

TEST_HARNESS_MAIN
