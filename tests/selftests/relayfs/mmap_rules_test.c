// SPDX-License-Identifier: GPL-2.0
/* What can be done to a mapping, of the data and of the consumer page, and what cannot. */

#include <linux/futex.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include "mapped.h"

#define SUBBUF	4096
#define N	4

/* Kernels have them, but perhaps not the C library. */
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED	24
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#endif

FIXTURE(rules)
{
	int dev, id, fd;
	size_t len;
	off_t offset;
	int prot;
	char *p;
};

FIXTURE_VARIANT(rules)
{
	bool page;
};

FIXTURE_VARIANT_ADD(rules, buffer)
{
	.page = false,
};

FIXTURE_VARIANT_ADD(rules, consumer_page)
{
	.page = true,
};

FIXTURE_SETUP(rules)
{
	struct relayfs_meta *meta;

	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->id = chan_open(self->dev, "r", SUBBUF, N, RELAY_MODE_NO_OVERWRITE);
	ASSERT_GE(self->id, 0);
	self->fd = file_open("r.d/cpu0", O_RDWR | O_EXCL | O_NONBLOCK);
	ASSERT_GE(self->fd, 0);
	meta = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(meta, MAP_FAILED);
	self->len = variant->page ? PAGE : meta->data_offset + SUBBUF * N;
	self->offset = variant->page ? RELAYFS_OFF_CONSUMER : 0;
	self->prot = variant->page ? PROT_READ | PROT_WRITE : PROT_READ;
	munmap(meta, PAGE);
	self->p = mmap(NULL, self->len, self->prot, MAP_SHARED, self->fd, self->offset);
	ASSERT_NE(self->p, MAP_FAILED);
}

FIXTURE_TEARDOWN(rules)
{
	munmap(self->p, self->len);
	close(self->fd);
	close(self->dev);
}

static int try_map(size_t len, int prot, int flags, int fd, off_t offset)
{
	void *p = mmap(NULL, len, prot, flags, fd, offset);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, len);
	return 0;
}

static int result(int ret)
{
	return ret ? -errno : 0;
}

static sigjmp_buf jump;

static void on_bus(int sig)
{
	siglongjmp(jump, sig);
}

/* Touches a byte; the signal that came of it, or 0. */
static int touch(const char *at)
{
	struct sigaction sa = { .sa_handler = on_bus }, bus, segv;
	int sig;

	sigaction(SIGBUS, &sa, &bus);
	sigaction(SIGSEGV, &sa, &segv);
	sig = sigsetjmp(jump, 1);
	if (!sig)
		__atomic_load_n(at, __ATOMIC_RELAXED);
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	return sig;
}

TEST_F(rules, lengths_and_offsets)
{
	int fd = self->fd;

	EXPECT_EQ(try_map(self->len + PAGE, self->prot, MAP_SHARED, fd, self->offset), -EINVAL);
	EXPECT_EQ(try_map(1ul << 40, self->prot, MAP_SHARED, fd, self->offset), -EINVAL);
	EXPECT_EQ(try_map(2 * PAGE, self->prot, MAP_SHARED, fd, self->offset), -EINVAL);
	for (off_t bad = PAGE; bad > 0; bad <<= 1) {
		if (bad == (off_t)RELAYFS_OFF_CONSUMER)
			continue;
		EXPECT_EQ(try_map(PAGE, PROT_READ, MAP_SHARED, fd, bad), -ENXIO)
			TH_LOG("offset %lx", bad);
	}
	EXPECT_EQ(try_map(PAGE, PROT_READ, MAP_SHARED, fd, RELAYFS_OFF_CONSUMER + PAGE), -ENXIO);
	EXPECT_EQ(try_map(PAGE, PROT_READ, MAP_SHARED, fd, RELAYFS_OFF_CONSUMER - PAGE), -ENXIO);
}

TEST_F(rules, protections)
{
	int exec = self->prot | PROT_EXEC, fd = self->fd;

	EXPECT_EQ(try_map(self->len, exec, MAP_SHARED, fd, self->offset), -EPERM);
	EXPECT_EQ(try_map(self->len, PROT_NONE, MAP_SHARED, fd, self->offset), 0);
	EXPECT_EQ(result(mprotect(self->p, self->len, PROT_READ | PROT_EXEC)), -EACCES);
	EXPECT_EQ(result(mprotect(self->p, self->len, PROT_READ | PROT_WRITE)),
		  variant->page ? 0 : -EACCES);
	EXPECT_EQ(result(mprotect(self->p, self->len, PROT_NONE)), 0);
	EXPECT_EQ(touch(self->p), SIGSEGV);
	EXPECT_EQ(result(mprotect(self->p, self->len, PROT_READ)), 0);
	EXPECT_EQ(touch(self->p), 0);
	/* Nor for a program for which all that can be read can be executed. */
	if (personality(READ_IMPLIES_EXEC) >= 0) {
		EXPECT_EQ(try_map(self->len, self->prot, MAP_SHARED, fd, self->offset), -EPERM);
		personality(0);
	}
}

TEST_F(rules, private_mappings)
{
	/* Read-only it does not matter; a written copy would be nobody's business. */
	EXPECT_EQ(try_map(self->len, PROT_READ, MAP_PRIVATE, self->fd, self->offset),
		  variant->page ? -EINVAL : 0);
	EXPECT_EQ(try_map(self->len, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->fd, self->offset),
		  variant->page ? -EINVAL : -EPERM);
}

TEST_F(rules, descriptors_that_do_not_write_or_do_not_consume_alone)
{
	int other, rdonly;

	munmap(self->p, self->len);
	close(self->fd);
	self->fd = -1;
	rdonly = file_open("r.d/cpu0", O_RDONLY | O_EXCL);
	ASSERT_GE(rdonly, 0);
	EXPECT_EQ(try_map(self->len, self->prot, MAP_SHARED, rdonly, self->offset),
		  variant->page ? -EACCES : 0);
	EXPECT_EQ(try_map(self->len, PROT_READ, MAP_SHARED, rdonly, self->offset),
		  variant->page ? -EACCES : 0);
	close(rdonly);
	other = file_open("r.d/cpu0", O_RDWR);
	EXPECT_EQ(try_map(self->len, self->prot, MAP_SHARED, other, self->offset),
		  variant->page ? -EPERM : 0);
	close(other);
	other = file_open("r", O_RDONLY | O_EXCL);
	EXPECT_EQ(try_map(self->len, PROT_READ, MAP_SHARED, other, self->offset), -ENODEV);
	close(other);
}

/* A kernel may be built without a system call, which then says so. */
static bool is_there(long ret)
{
	return ret != -1 || errno != ENOSYS;
}

static bool has_madvise(void)
{
	return is_there(madvise(NULL, 0, MADV_NORMAL));
}

TEST_F(rules, a_child_does_not_inherit_it)
{
	static const int advice[] = { MADV_DOFORK, MADV_WIPEONFORK, MADV_DODUMP };
	int status;
	pid_t child;

	for (size_t i = 0; has_madvise() && i < sizeof(advice) / sizeof(*advice); i++)
		EXPECT_EQ(result(madvise(self->p, self->len, advice[i])), -EINVAL);
	child = fork();
	if (!child)
		_exit(touch(self->p));
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(WEXITSTATUS(status), SIGSEGV);
	EXPECT_EQ(touch(self->p), 0);
}

TEST_F(rules, it_does_not_grow)
{
	char *p;

	EXPECT_EQ(mremap(self->p, self->len, self->len + PAGE, MREMAP_MAYMOVE), MAP_FAILED);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(mremap(self->p, self->len, self->len, MREMAP_MAYMOVE | MREMAP_DONTUNMAP),
		  MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	/* A second one of the same. */
	p = mremap(self->p, 0, self->len, MREMAP_MAYMOVE);
	EXPECT_EQ(p, MAP_FAILED);
	if (p != MAP_FAILED)
		munmap(p, self->len);
	EXPECT_EQ(touch(self->p), 0);
}

TEST_F(rules, it_can_be_moved)
{
	char *room = mmap(NULL, self->len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *p;

	ASSERT_NE(room, MAP_FAILED);
	p = mremap(self->p, self->len, self->len, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	ASSERT_EQ(p, room);
	EXPECT_EQ(touch(self->p), SIGSEGV);
	self->p = p;
	EXPECT_EQ(touch(self->p + self->len - 1), 0);
	ASSERT_EQ(write_records(self->dev, self->id, 0, 5, SUBBUF), N);
	if (variant->page) {
		STORE(((struct relayfs_consumer *)p)->position, SUBBUF);
		EXPECT_EQ(write_records(self->dev, self->id, 0, 2, SUBBUF), 1);
	} else {
		EXPECT_EQ(((struct relayfs_meta *)p)->delivered, N);
	}
}

/* Each attempt to treat some of it otherwise than the rest. */
TEST_F(rules, it_has_no_parts)
{
	static const int advice[] = { MADV_SEQUENTIAL, MADV_RANDOM };
	char *room = mmap(NULL, self->len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct { char *at; size_t len; } parts[] = {
		{ self->p, PAGE },			/* the first page */
		{ self->p + PAGE, PAGE },		/* one inside */
		{ self->p + self->len - PAGE, PAGE },	/* the last */
		{ self->p + PAGE, self->len - PAGE },	/* all but the first */
	};

	if (variant->page)
		SKIP(return, "one page has no parts");
	ASSERT_NE(room, MAP_FAILED);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		char *at = parts[i].at;
		size_t len = parts[i].len;

		EXPECT_EQ(result(munmap(at, len)), -EINVAL) TH_LOG("part %zu", i);
		EXPECT_EQ(result(mprotect(at, len, PROT_NONE)), -EINVAL) TH_LOG("part %zu", i);
		EXPECT_EQ(mremap(at, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, room), MAP_FAILED);
		EXPECT_EQ(errno, EINVAL) TH_LOG("part %zu", i);
		EXPECT_EQ(mmap(at, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			  MAP_FAILED);
		EXPECT_EQ(errno, EINVAL) TH_LOG("part %zu", i);
		EXPECT_EQ(mmap(at, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, self->fd, 0),
			  MAP_FAILED);
		EXPECT_EQ(errno, EINVAL) TH_LOG("part %zu", i);
		for (size_t j = 0; has_madvise() && j < sizeof(advice) / sizeof(*advice); j++)
			EXPECT_EQ(result(madvise(at, len, advice[j])), -EINVAL)
				TH_LOG("part %zu", i);
	}
	EXPECT_EQ(mremap(self->p, self->len, PAGE, 0), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(result(remap_file_pages(self->p, PAGE, 0, 1, 0)), -EINVAL);
	/* It is still there, and one. */
	for (size_t at = 0; at < self->len; at += PAGE)
		EXPECT_EQ(touch(self->p + at), 0);
	EXPECT_EQ(mremap(self->p, self->len, self->len, MREMAP_MAYMOVE | MREMAP_FIXED, room), room);
	ASSERT_EQ(write_records(self->dev, self->id, 0, 1, SUBBUF), 1);
	EXPECT_EQ(LOAD(((struct relayfs_meta *)room)->delivered), 1);
	self->p = room;
	EXPECT_EQ(result(munmap(self->p, self->len)), 0);
	EXPECT_EQ(touch(self->p), SIGSEGV);
}

TEST_F(rules, advice_is_refused_or_harms_who_gives_it)
{
	static const int refused[] = { MADV_FREE, MADV_REMOVE, MADV_COLLAPSE, MADV_GUARD_INSTALL,
				       MADV_WIPEONFORK };
	static const int harmless[] = { MADV_NORMAL, MADV_SEQUENTIAL, MADV_RANDOM, MADV_DONTFORK,
					MADV_DONTDUMP, MADV_UNMERGEABLE, MADV_NOHUGEPAGE,
					MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED };

	if (!has_madvise())
		SKIP(return, "the kernel has no madvise(2)");
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		EXPECT_NE(result(madvise(self->p, self->len, refused[i])), 0)
			TH_LOG("advice %d", refused[i]);
	}
	for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++) {
		madvise(self->p, self->len, harmless[i]);
		EXPECT_EQ(touch(self->p), 0) TH_LOG("advice %d", harmless[i]);
	}
	/* What is let go does not come back. */
	EXPECT_EQ(result(madvise(self->p, PAGE, MADV_DONTNEED)), 0);
	EXPECT_EQ(touch(self->p), SIGBUS);
	munmap(self->p, self->len);
	self->p = mmap(NULL, self->len, self->prot, MAP_SHARED, self->fd, self->offset);
	ASSERT_NE(self->p, MAP_FAILED);
	EXPECT_EQ(touch(self->p), 0);
	EXPECT_EQ(write_records(self->dev, self->id, 0, 1, 100), 1);
}

TEST_F(rules, it_can_be_locked)
{
	char *p;

	EXPECT_EQ(result(mlock(self->p, self->len)), 0);
	EXPECT_EQ(touch(self->p + self->len - 1), 0);
	EXPECT_EQ(result(munlock(self->p, self->len)), 0);
	p = mmap(NULL, self->len, self->prot, MAP_SHARED | MAP_LOCKED | MAP_POPULATE, self->fd,
		 self->offset);
	ASSERT_NE(p, MAP_FAILED);
	EXPECT_EQ(touch(p), 0);
	munmap(p, self->len);
}

TEST_F(rules, behind_its_end_is_nothing)
{
	size_t all = self->len + PAGE;
	char *room = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *p;

	ASSERT_NE(room, MAP_FAILED);
	p = mmap(room, self->len, self->prot, MAP_SHARED | MAP_FIXED, self->fd, self->offset);
	ASSERT_EQ(p, room);
	EXPECT_EQ(touch(p + self->len - 1), 0);
	EXPECT_EQ(touch(p + self->len), SIGSEGV);
	munmap(room, all);
}

TEST_F(rules, others_read_it_but_do_not_write_it)
{
	static const char name[] = "/tmp/relayfs-mmap-rules";
	char b[64], was = LOAD(*self->p);
	struct iovec here = { b, sizeof(b) }, there = { self->p, sizeof(b) };
	int mem = open("/proc/self/mem", O_RDWR), pipes[2], fd;

	ASSERT_GE(mem, 0);
	if (!is_there(process_vm_readv(getpid(), &here, 1, &there, 1, 0)))
		SKIP(return, "the kernel has no process_vm_readv(2)");
	EXPECT_EQ(process_vm_readv(getpid(), &here, 1, &there, 1, 0), (ssize_t)sizeof(b));
	EXPECT_EQ(memcmp(b, self->p, sizeof(b)), 0);
	EXPECT_EQ(pread(mem, b, sizeof(b), (off_t)(uintptr_t)self->p), (ssize_t)sizeof(b));
	if (!variant->page) {
		b[0] = ~was;
		EXPECT_EQ(process_vm_writev(getpid(), &here, 1, &there, 1, 0), -1);
		EXPECT_EQ(errno, EFAULT);
		/* Not even as a debugger. */
		EXPECT_EQ(pwrite(mem, b, 1, (off_t)(uintptr_t)self->p), -1);
		EXPECT_EQ(errno, EIO);
		EXPECT_EQ(read(open("/dev/zero", O_RDONLY | O_CLOEXEC), self->p, 1), -1);
		EXPECT_EQ(errno, EFAULT);
		EXPECT_EQ(LOAD(*self->p), was);
	}
	close(mem);
	/* By reference into a pipe; the page stays for it. */
	ASSERT_EQ(pipe(pipes), 0);
	EXPECT_EQ(vmsplice(pipes[1], &there, 1, 0), (ssize_t)sizeof(b));
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
	if (fd < 0)
		fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(write(fd, self->p, PAGE), PAGE);
	munmap(self->p, self->len);
	close(self->fd);
	EXPECT_EQ(chan_close(self->dev, self->id), 0);
	EXPECT_EQ(read(pipes[0], b, sizeof(b)), (ssize_t)sizeof(b));
	EXPECT_EQ(b[0], was);
	self->fd = -1;
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
	unlink(name);
}

TEST_F(rules, it_keeps_the_file_and_that_the_module)
{
	int fd;

	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(chan_close(self->dev, self->id), 0);
	EXPECT_EQ(result(syscall(SYS_delete_module, "relayfs", O_NONBLOCK)), -EWOULDBLOCK);
	EXPECT_EQ(touch(self->p), 0);
	/* The same name again is another channel. */
	self->id = chan_open(self->dev, "r", SUBBUF, N, RELAY_MODE_NO_OVERWRITE);
	ASSERT_GE(self->id, 0);
	fd = file_open("r.d/cpu0", O_RDWR | O_EXCL);
	EXPECT_GE(fd, 0);
	close(fd);
}

TEST_F(rules, a_futex_may_lie_in_it)
{
	struct timespec soon = { .tv_nsec = 1000000 };
	uint32_t *word = (void *)(self->p + 64);

	/* Its key is the page, whose file has no such page. */
	EXPECT_EQ(syscall(SYS_futex, word, FUTEX_WAIT, *word + 1, &soon, NULL, 0), -1);
	EXPECT_EQ(touch(self->p), 0);
}

TEST_HARNESS_MAIN
