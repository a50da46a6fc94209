// SPDX-License-Identifier: GPL-2.0
/*
 * A mapped consumer that may make no system call while there is data: the kernel kills it if it
 * does. It reads every byte of what is written meanwhile.
 */

#include <linux/filter.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "mapped.h"

/* As in <linux/seccomp.h>, which is not for programs in the kernel's copy. */
#define SECCOMP_MODE_FILTER		2
#define SECCOMP_RET_KILL_PROCESS	0x80000000u
#define SECCOMP_RET_ALLOW		0x7fff0000u
#define SECCOMP_DATA_NR			0

#define SUBBUF		(64 << 10)
#define N		8
#define LEN		24

FIXTURE(silent)
{
	int dev, id;
};

FIXTURE_VARIANT(silent)
{
	bool parts;
	uint32_t flags;
	unsigned int records;
};

FIXTURE_VARIANT_ADD(silent, whole_sub_buffers)
{
	.flags = RELAY_MODE_NO_OVERWRITE, .records = 1000000,
};

FIXTURE_VARIANT_ADD(silent, parts_too)
{
	.flags = RELAY_MODE_NO_OVERWRITE, .parts = true, .records = 100000,
};

FIXTURE_VARIANT_ADD(silent, global)
{
	.flags = RELAY_MODE_NO_OVERWRITE | RELAY_USAGE_GLOBAL, .records = 100000,
};

FIXTURE_SETUP(silent)
{
	if (prctl(PR_GET_SECCOMP))
		SKIP(return, "the kernel has no seccomp");
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	self->id = chan_open(self->dev, "s", SUBBUF, N, variant->flags);
	ASSERT_GE(self->id, 0);
}

FIXTURE_TEARDOWN(silent)
{
	close(self->dev);
}

/* From now on all but the end of the process is its end. */
static bool forbid_system_calls(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SECCOMP_DATA_NR),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { .len = 4, .filter = filter };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* What the consumer has to tell, in memory it shares. */
struct told {
	uint64_t ready, records, wrong, last, written;
};

static int consume(struct told *t, bool parts, bool stray)
{
	struct mapped m;
	uint64_t len, n;
	const unsigned char *at;

	if (!mapped_open(&m, "s.d/cpu0") || !forbid_system_calls())
		return 1;
	STORE(t->ready, 1);
	if (stray)
		getppid();
	/* Until all that was written was read; how much that is it learns at the end. */
	while (LOAD(t->records) != LOAD(t->written)) {
		at = mapped_peek(&m, &len, parts);
		if (!at) {
			mapped_say(&m);
			continue;
		}
		for (; len; len -= n, at += n, m.pos += n) {
			struct relaytest_record r;

			n = record_check(at, len);
			memcpy(&r, at, sizeof(r));
			if (!n || (t->records && r.number <= t->last)) {
				STORE(t->wrong, t->records + 1);
				return 2;
			}
			t->last = r.number;
			STORE(t->records, t->records + 1);
		}
		mapped_say(&m);
	}
	return 0;
}

static pid_t start(struct told *t, bool parts, bool stray)
{
	pid_t child = fork();

	if (!child)
		syscall(SYS_exit_group, consume(t, parts, stray));
	while (child > 0 && !LOAD(t->ready) && !waitpid(child, NULL, WNOHANG))
		sched_yield();
	return child;
}

TEST_F(silent, no_system_call_while_there_is_data)
{
	struct told *t = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			      -1, 0);
	unsigned int all = scaled(variant->records), number = 0;
	uint64_t written = 0, refused = 0;
	struct relayfs_info i;
	int status, fd;
	pid_t child;

	ASSERT_NE(t, MAP_FAILED);
	t->written = ~0ull;
	child = start(t, variant->parts, false);
	ASSERT_GT(child, 0);
	ASSERT_EQ(t->ready, 1);
	while (written < all) {
		struct relaytest_pattern p = { .id = self->id, .cpu = 0, .len = LEN, .count = 1000,
					       .first = number };

		ASSERT_EQ(chan_pattern(self->dev, &p), 0);
		written += p.written;
		refused += p.failed;
		number += p.count;
		/* The consumer is slower: full is not what this is about. */
		if (p.failed)
			usleep(1000);
	}
	STORE(t->written, written);
	ASSERT_EQ(chan_flush(self->dev, self->id), 0);
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_TRUE(WIFEXITED(status)) TH_LOG("killed by signal %d", WTERMSIG(status));
	EXPECT_EQ(WEXITSTATUS(status), 0);
	EXPECT_EQ(t->wrong, 0);
	EXPECT_EQ(t->records, written);
	EXPECT_GE(written, all);
	/* What was said last still counts when it is gone. */
	fd = file_open("s.d/cpu0", O_RDONLY);
	i = info_of(fd);
	EXPECT_EQ(i.produced.records, written);
	EXPECT_EQ(i.read.records, written);
	EXPECT_EQ(i.overwritten.records, 0);
	EXPECT_EQ(i.lost[RELAYFS_LOST_FULL].records, refused);
	TH_LOG("%lu records read, %lu refused", (unsigned long)written, (unsigned long)refused);
	close(fd);
	munmap(t, PAGE);
}

TEST_F(silent, and_one_would_be_noticed)
{
	struct told *t = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			      -1, 0);
	int status;
	pid_t child;

	ASSERT_NE(t, MAP_FAILED);
	child = fork();
	if (!child)
		syscall(SYS_exit_group, consume(t, variant->parts, true));
	ASSERT_GT(child, 0);
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(WTERMSIG(status), SIGSYS);
	munmap(t, PAGE);
}

TEST_HARNESS_MAIN
