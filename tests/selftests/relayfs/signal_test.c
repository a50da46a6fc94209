// SPDX-License-Identifier: GPL-2.0
/* Waiting readers and what becomes of them: signals, stops, freezing, death, a closed file. */

#include <sys/mount.h>
#include <sys/time.h>
#include <sys/wait.h>
#include "waiters.h"

FIXTURE(sleeper)
{
	struct stream s;
	struct waiter w;
};

FIXTURE_VARIANT(sleeper)
{
	const struct stream_kind *kind;
	const struct way *way;
};

FIXTURE_VARIANT_ADD(sleeper, reads_a_buffer) { .kind = &stream_buffer, .way = &by_read };
FIXTURE_VARIANT_ADD(sleeper, reads_the_whole) { .kind = &stream_whole, .way = &by_read };
FIXTURE_VARIANT_ADD(sleeper, splices) { .kind = &stream_buffer, .way = &by_splice };

FIXTURE_SETUP(sleeper)
{
	ASSERT_EQ(stream_open_as(&self->s, variant->kind, O_RDONLY), 0);
}

FIXTURE_TEARDOWN(sleeper)
{
	stream_close(&self->s);
}

static int signals;

static void on_signal(int sig)
{
	(void)sig;
	__atomic_add_fetch(&signals, 1, __ATOMIC_RELAXED);
}

static void handle(int sig, int flags)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };

	sigaction(sig, &action, NULL);
}

static void deliver(const struct stream *s)
{
	stream_put(s, "abc");
	chan_flush(s->dev, s->id);
}

TEST_F(sleeper, a_signal_interrupts)
{
	handle(SIGUSR1, 0);
	ASSERT_TRUE(waiter_start(&self->w, variant->way, self->s.fd));
	pthread_kill(self->w.thread, SIGUSR1);
	ASSERT_TRUE(waiter_ends(&self->w));
	EXPECT_EQ(self->w.got, -EINTR);
	/* It is a consumer, and has consumed nothing. */
	deliver(&self->s);
	EXPECT_EQ(info("s", "total", "unread", false), 1);
}

TEST_F(sleeper, with_sa_restart_it_goes_on)
{
	handle(SIGUSR1, SA_RESTART);
	ASSERT_TRUE(waiter_start(&self->w, variant->way, self->s.fd));
	for (int i = 1; i <= 3; i++) {
		pthread_kill(self->w.thread, SIGUSR1);
		while (__atomic_load_n(&signals, __ATOMIC_RELAXED) < i)
			usleep(1000);
		ASSERT_TRUE(wait_until_in(self->w.tid, variant->way->call));
	}
	deliver(&self->s);
	ASSERT_TRUE(waiter_ends(&self->w));
	EXPECT_EQ(self->w.got, 3);
	EXPECT_EQ(memcmp(self->w.text, "abc", 3), 0);
}

TEST_F(sleeper, one_that_is_ignored_does_nothing)
{
	signal(SIGUSR1, SIG_IGN);
	ASSERT_TRUE(waiter_start(&self->w, variant->way, self->s.fd));
	pthread_kill(self->w.thread, SIGUSR1);
	ASSERT_TRUE(wait_until_in(self->w.tid, variant->way->call));
	deliver(&self->s);
	ASSERT_TRUE(waiter_ends(&self->w));
	EXPECT_EQ(self->w.got, 3);
}

TEST_F(sleeper, closing_its_descriptor_does_not_end_it)
{
	int other;

	close(self->s.fd);
	self->s.fd = file_open(variant->kind->file, O_RDONLY | O_EXCL);
	ASSERT_TRUE(waiter_start(&self->w, variant->way, self->s.fd));
	close(self->s.fd);
	self->s.fd = -1;
	/* The file is open as long as it is being read. */
	EXPECT_EQ(file_open(variant->kind->file, O_RDONLY | O_EXCL), -1);
	EXPECT_EQ(errno, EBUSY);
	deliver(&self->s);
	ASSERT_TRUE(waiter_ends(&self->w));
	EXPECT_EQ(self->w.got, 3);
	other = file_open(variant->kind->file, O_RDONLY | O_EXCL);
	EXPECT_GE(other, 0);
	close(other);
}

/* A child that waits, and then says what it has got. */
static pid_t child_start(const FIXTURE_DATA(sleeper) * self,
			 const FIXTURE_VARIANT(sleeper) * variant)
{
	struct waiter w = { .fd = self->s.fd };
	pid_t pid = fork();

	if (!pid) {
		variant->way->wait(&w);
		_exit(w.got == 3 && !memcmp(w.text, "abc", 3) ? 0 : 1);
	}
	return wait_until_in(pid, variant->way->call) ? pid : -1;
}

TEST_F(sleeper, a_stop_and_a_continue_change_nothing)
{
	int status;
	pid_t pid = child_start(self, variant);

	ASSERT_GT(pid, 0);
	ASSERT_EQ(kill(pid, SIGSTOP), 0);
	ASSERT_EQ(waitpid(pid, &status, WUNTRACED), pid);
	ASSERT_TRUE(WIFSTOPPED(status));
	/* What comes meanwhile is there when it goes on. */
	deliver(&self->s);
	EXPECT_EQ(info("s", "total", "unread", false), 1);
	ASSERT_EQ(kill(pid, SIGCONT), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}

TEST_F(sleeper, it_can_be_killed)
{
	int status;
	pid_t pid = child_start(self, variant);

	ASSERT_GT(pid, 0);
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFSIGNALED(status));
	deliver(&self->s);
	EXPECT_EQ(info("s", "total", "unread", false), 1);
}

/* Writes to a file; whether it took it. */
static bool echo(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return done;
}

static bool cgroup_is(const char *state)
{
	for (int i = 0; i < WAIT_SECONDS * 1000; i++) {
		char text[256] = "";
		int fd = open("/tmp/relayfs_cgroup/one/cgroup.events", O_RDONLY | O_CLOEXEC);

		if (read(fd, text, sizeof(text) - 1) < 0)
			text[0] = 0;
		close(fd);
		if (strstr(text, state))
			return true;
		usleep(1000);
	}
	return false;
}

TEST_F(sleeper, it_can_be_frozen_by_its_cgroup)
{
	static const char folder[] = "/tmp/relayfs_cgroup";
	char number[16];
	int status;
	pid_t pid;

	mkdir(folder, 0700);
	if (mount("cgroup2", folder, "cgroup2", 0, NULL) && errno != EBUSY)
		SKIP(return, "there are no cgroups");
	mkdir("/tmp/relayfs_cgroup/one", 0700);
	pid = child_start(self, variant);
	ASSERT_GT(pid, 0);
	snprintf(number, sizeof(number), "%d", pid);
	ASSERT_TRUE(echo("/tmp/relayfs_cgroup/one/cgroup.procs", number));
	ASSERT_TRUE(echo("/tmp/relayfs_cgroup/one/cgroup.freeze", "1"));
	EXPECT_TRUE(cgroup_is("frozen 1"));
	deliver(&self->s);
	EXPECT_EQ(info("s", "total", "unread", false), 1);
	ASSERT_TRUE(echo("/tmp/relayfs_cgroup/one/cgroup.freeze", "0"));
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	rmdir("/tmp/relayfs_cgroup/one");
	umount(folder);
	rmdir(folder);
}

/* The first step of a suspend, and back. */
TEST_F(sleeper, it_is_not_in_the_way_of_suspend)
{
	int status;
	pid_t pid;

	if (variant->way == &by_splice)
		SKIP(return, "once is enough, as it takes five seconds");
	if (!echo("/sys/power/pm_test", "freezer"))
		SKIP(return, "this kernel cannot try to suspend");
	pid = child_start(self, variant);
	ASSERT_GT(pid, 0);
	EXPECT_TRUE(echo("/sys/power/state", "freeze"));
	echo("/sys/power/pm_test", "none");
	ASSERT_TRUE(wait_until_in(pid, variant->way->call));
	deliver(&self->s);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}

static void *interrupt_always(void *arg)
{
	struct waiter *w = arg;

	while (!waiter_is_done(w)) {
		pthread_kill(w->thread, SIGUSR1);
		usleep(1000);
	}
	return NULL;
}

static void read_ten_thousand(struct waiter *w)
{
	size_t at = 0, wrong = 0;

	while (at < 10000) {
		ssize_t n = read(w->fd, w->text, 37);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		wrong += stream_wrong(w->text, at, n) != (size_t)n;
		at += n;
	}
	w->got = at;
	w->events = wrong;
}

/* The bytes are those that were written, whenever a signal comes. */
TEST_F(sleeper, nothing_is_lost_under_signals)
{
	static const struct way way = { SYS_read, read_ten_thousand, true };
	pthread_t thread;

	if (variant->way == &by_splice)
		SKIP(return, "it reads");
	handle(SIGUSR1, 0);
	self->w = (struct waiter){ .way = &way, .fd = self->s.fd };
	ASSERT_EQ(pthread_create(&self->w.thread, NULL, waiter_run, &self->w), 0);
	ASSERT_EQ(pthread_create(&thread, NULL, interrupt_always, &self->w), 0);
	for (int at = 0; at < 10000; at += 100) {
		ASSERT_EQ(stream_fill(&self->s, at, 100), 100);
		if (at % 1000 == 0)
			chan_flush(self->s.dev, self->s.id);
		while (info("s", "total", "unread", true) > SUBBUF)
			usleep(1000);
	}
	chan_flush(self->s.dev, self->s.id);
	pthread_join(thread, NULL);
	pthread_join(self->w.thread, NULL);
	EXPECT_EQ(self->w.got, 10000);
	EXPECT_EQ(self->w.events, 0);
	EXPECT_GT(signals, 0);
}

TEST_HARNESS_MAIN
