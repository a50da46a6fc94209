// SPDX-License-Identifier: GPL-2.0
/*
 * Each single allocation of mount and insmod, and each copy of read, fails in turn, and the failure
 * is clean: the right errno, nothing left behind, not a byte lost, and the same works at once.
 */

#include "faulttest.h"
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

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
