// SPDX-License-Identifier: GPL-2.0
/*
 * Each single allocation of relay_open(), open, read, mmap, mount and insmod fails in turn, and the
 * failure is clean: the right errno, nothing in the tree, all memory given back, and the same works
 * at once. Two errors of the kernel's old relay are what this is about: CVE-2019-19462, where
 * relay_open() went on with a pointer it had not got memory for, and a failure path that took away
 * the buffer of another CPU.
 */

#include "fault.h"
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

static long memory_available(void)
{
	char line[128];
	long kb = -1;
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

/*
 * What a sweep found. A fault need not fail the operation: some allocations have a second way.
 */
struct sweep {
	int failed, survived, wrong;
};

/* Does @operation (0, or -1 and errno) with each of its faults. @check says if all is clean. */
static struct sweep sweep(int (*operation)(void *), void *arg, int (*check)(void *, bool failed))
{
	struct sweep s = {};
	bool happened = true;

	for (int nth = 1; happened && nth < MOST_FAULTS; nth++) {
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

FIXTURE(fault)
{
	int dev;
};

FIXTURE_SETUP(fault)
{
	if (!fault_injection_available())
		SKIP(return, "the kernel has no fault injection");
	ASSERT_EQ(fault_set_up(), 0);
	ASSERT_EQ(fault_memory_only(), 0);
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
}

FIXTURE_TEARDOWN(fault)
{
	close(self->dev);
}

struct opening {
	int dev, id, bystander;
	const char *path, *parent;
	struct relaytest_open attr;
};

static int open_channel(void *arg)
{
	struct opening *o = arg;

	o->id = chan_open_attr(o->dev, o->path, o->attr);
	errno = o->id < 0 ? -o->id : 0;
	return o->id < 0 ? -1 : 0;
}

/* Nothing is left of what failed, the same works now, and all CPUs of another channel still do. */
static int check_channel(void *arg, bool failed)
{
	struct opening *o = arg;
	char dir[64];

	snprintf(dir, sizeof(dir), "%s.d", o->path);
	if (failed && (file_exists(o->path) || file_exists(dir) ||
		       (o->parent && file_exists(o->parent))))
		return -1;
	if (failed && open_channel(o))
		return -1;
	if (!file_exists(o->path) || chan_close(o->dev, o->id))
		return -1;
	for (int cpu = 0; cpu < cpus(); cpu++) {
		struct relaytest_pattern p = { .id = o->bystander, .cpu = cpu, .count = 1,
					       .len = 16 };

		if (chan_pattern(o->dev, &p) || p.written != 1)
			return -1;
	}
	return 0;
}

FIXTURE(fault_open)
{
	struct opening o;
};

FIXTURE_VARIANT(fault_open)
{
	const char *path, *parent;
	struct relaytest_open attr;
};

FIXTURE_VARIANT_ADD(fault_open, per_cpu)
{
	.path = "faulty",
	.attr = { .subbuf_size = 4096, .n_subbufs = 4 },
};

FIXTURE_VARIANT_ADD(fault_open, global)
{
	.path = "faulty",
	.attr = { .subbuf_size = 16384, .n_subbufs = 8, .flags = RELAY_USAGE_GLOBAL },
};

FIXTURE_VARIANT_ADD(fault_open, in_new_directories)
{
	.path = "faulty/and/deep", .parent = "faulty",
	.attr = { .subbuf_size = 4096, .n_subbufs = 2, .flush_interval_ms = 1000 },
};

FIXTURE_SETUP(fault_open)
{
	struct opening *o = &self->o;

	if (!fault_injection_available())
		SKIP(return, "the kernel has no fault injection");
	ASSERT_EQ(fault_set_up(), 0);
	ASSERT_EQ(fault_memory_only(), 0);
	o->dev = test_device();
	ASSERT_GE(o->dev, 0);
	o->path = variant->path;
	o->parent = variant->parent;
	o->attr = variant->attr;
	o->bystander = chan_open(o->dev, "bystander", 4096, 4, RELAY_MODE_CONTINUOUS);
	ASSERT_GE(o->bystander, 0);
}

FIXTURE_TEARDOWN(fault_open)
{
	close(self->o.dev);
}

TEST_F(fault_open, each_allocation)
{
	int files = variant->attr.flags & RELAY_USAGE_GLOBAL ? 1 : cpus();
	long pages = files * variant->attr.subbuf_size * variant->attr.n_subbufs / PAGE;
	struct sweep s = sweep(open_channel, &self->o, check_channel);

	EXPECT_EQ(s.wrong, 0);
	/* Each page of the buffers, and what goes with them. */
	EXPECT_GT(s.failed, pages);
}

/*
 * With large buffers, so that what is lost stands out of what caches keep: failures all along the
 * way, and at each of the last places, when all is there but the files.
 */
TEST_F(fault, memory_is_given_back)
{
	struct opening o = {
		.dev = self->dev, .path = "faulty",
		.attr = { .subbuf_size = 1 << 16, .n_subbufs = 64 / cpus() },
	};
	long kb = (long)cpus() * o.attr.n_subbufs << 6, before, at_stake = 0;
	int fd = fault_arm(MOST_FAULTS * 10), places, failed = 0;

	ASSERT_EQ(open_channel(&o), 0);
	places = MOST_FAULTS * 10 - fault_left(fd);
	fault_disarm(fd);
	ASSERT_EQ(chan_close(o.dev, o.id), 0);
	ASSERT_GT(places, kb / 4);
	before = memory_available();
	for (int i = 1; i < 8 + 40; i++) {
		int nth = i < 8 ? places / 8 * i : places - (i - 8);

		fd = fault_arm(nth);
		if (open_channel(&o)) {
			EXPECT_EQ(errno, ENOMEM);
			failed++;
			at_stake += kb * nth / places;
		} else {
			EXPECT_EQ(chan_close(o.dev, o.id), 0);
		}
		fault_disarm(fd);
	}
	EXPECT_GT(failed, 10);
	/* Inodes, and what they keep, go after a grace period. */
	for (int i = 0; i < 100 && before - memory_available() >= at_stake / 4; i++)
		usleep(100000);
	EXPECT_LT(before - memory_available(), at_stake / 4);
}

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

/* Reads with a fault in each copy to user space in turn: not a byte is lost or comes twice. */
static void read_with_faults(struct __test_metadata *_metadata, int dev, const char *name,
			     size_t size)
{
	static unsigned char stream[1 << 18];
	struct relaytest_pattern p = { .count = 300, .len = 100, .cpu = 0 };
	size_t len = 0, at = 0, record;
	unsigned int next = 0, faults = 0, records = 0;
	int id = chan_open(dev, "faulty", 4096, 64, RELAY_MODE_NO_OVERWRITE);
	int fd = file_open(name, O_RDONLY | O_NONBLOCK);

	ASSERT_GE(id, 0);
	ASSERT_GE(fd, 0);
	p.id = id;
	ASSERT_EQ(chan_pattern(dev, &p), 0);
	ASSERT_EQ(p.written, p.count);
	ASSERT_EQ(chan_flush(dev, id), 0);
	for (;;) {
		int armed = fault_arm(1 + next++ % 4);
		ssize_t got = read(fd, stream + len, size);
		bool happened = fault_disarm(armed);

		faults += happened;
		if (got >= 0) {
			len += got;
			continue;
		}
		if (errno == EAGAIN)
			break;
		ASSERT_EQ(errno, EFAULT);
		ASSERT_TRUE(happened);
	}
	while ((record = record_check(stream + at, len - at))) {
		struct relaytest_record r;

		memcpy(&r, stream + at, sizeof(r));
		EXPECT_EQ(r.number, records++);
		at += record;
	}
	EXPECT_EQ(at, len);
	EXPECT_EQ(records, p.count);
	EXPECT_EQ(info("faulty", "total", "read", false), p.count);
	EXPECT_GT(faults, 5);
	close(fd);
	EXPECT_EQ(chan_close(dev, id), 0);
}

TEST_F(fault, reading_loses_nothing)
{
	ASSERT_EQ(fault_usercopy_only(), 0);
	read_with_faults(_metadata, self->dev, "faulty.d/cpu0", 1000);
	read_with_faults(_metadata, self->dev, "faulty.d/cpu0", 20000);
	read_with_faults(_metadata, self->dev, "faulty", 1000);
	read_with_faults(_metadata, self->dev, "faulty", 20000);
}

static int mount_somewhere(void *arg)
{
	return mount("relayfs", arg, "relayfs", 0, "mode=0750");
}

static int check_mount(void *arg, bool failed)
{
	/* What failed is not there: nothing to unmount. */
	return failed ? !umount(arg) || errno != EINVAL : umount(arg);
}

TEST_F(fault, mounting)
{
	char dir[] = "/tmp/relayfs.XXXXXX";
	struct sweep s;

	ASSERT_NE(mkdtemp(dir), NULL);
	s = sweep(mount_somewhere, dir, check_mount);
	EXPECT_EQ(s.wrong, 0);
	EXPECT_GT(s.failed, 3);
	rmdir(dir);
}

/* The addresses of a function of the kernel. */
static int find_function(const char *name, unsigned long *start, unsigned long *end)
{
	char line[512], symbol[256];
	unsigned long address;
	FILE *f = fopen("/proc/kallsyms", "re");

	*start = 0;
	*end = ~0ul;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx %*c %255s", &address, symbol) != 2)
			continue;
		if (!strcmp(symbol, name))
			*start = address;
	}
	if (f)
		rewind(f);
	while (*start && fgets(line, sizeof(line), f)) {
		address = strtoul(line, NULL, 16);
		if (address > *start && address < *end)
			*end = address;
	}
	if (f)
		fclose(f);
	return *start ? 0 : -1;
}

static int insert(void *arg)
{
	return syscall(SYS_finit_module, *(int *)arg, "", 0);
}

/* A module that failed to load left nothing, and a loaded one can be unloaded. */
static int check_inserted(void *arg, bool failed)
{
	(void)arg;
	if (!failed)
		return syscall(SYS_delete_module, "relayfs", O_NONBLOCK);
	return !access("/sys/module/relayfs", F_OK) || !access(MOUNT, F_OK) ||
	       !system("grep -qw relayfs /proc/filesystems");
}

TEST_F(fault, loading)
{
	unsigned long start, end;
	char path[512];
	struct utsname u;
	struct sweep s;
	int fd;

	ASSERT_EQ(uname(&u), 0);
	snprintf(path, sizeof(path), "/lib/modules/%s/relayfs.ko", u.release);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "no relayfs.ko");
	/* Below the module's own code only: the kernel's loader is not ours to test. */
	ASSERT_EQ(find_function("do_one_initcall", &start, &end), 0);
	ASSERT_EQ(fault_below("failslab", start, end), 0);
	ASSERT_EQ(fault_below("fail_page_alloc", start, end), 0);
	close(self->dev);
	self->dev = -1;
	unload_clients();
	ASSERT_EQ(system("umount " MOUNT " && rmmod relayfs"), 0);
	s = sweep(insert, &fd, check_inserted);
	EXPECT_EQ(s.wrong, 0);
	EXPECT_GE(s.failed, 2);
	ASSERT_EQ(fault_memory_only(), 0);
	EXPECT_EQ(system("modprobe relayfs && mount -t relayfs x " MOUNT
			 " && insmod ./relayfs_test.ko"), 0);
	close(fd);
}

TEST_HARNESS_MAIN
