/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All the ways to wait for a file's data: a thread that waits in one of them, once, and then takes
 * what there is.
 */
#ifndef WAITERS_H
#define WAITERS_H

#include <dirent.h>
#include <liburing.h>
#include <signal.h>
#include <sys/epoll.h>
#include "streamtest.h"

/* No wait that ends takes as long, and none is ended by the clock before. */
#define WAIT_SECONDS	30

struct waiter {
	const struct way *way;
	int fd;
	pthread_t thread;
	pid_t tid;
	bool done;
	int events;		/* what it was told */
	ssize_t got;		/* what it read, or -errno */
	char text[4 * SUBBUF];
};

/* A way to wait. */
struct way {
	long call;		/* in which it sleeps */
	void (*wait)(struct waiter *w);
	bool takes;		/* the data comes with the call */
};

static void wait_by_read(struct waiter *w)
{
	w->got = read(w->fd, w->text, sizeof(w->text));
}

static void wait_by_splice(struct waiter *w)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return;
	w->got = splice(w->fd, NULL, ends[1], NULL, sizeof(w->text), 0);
	if (w->got > 0)
		w->got = read(ends[0], w->text, sizeof(w->text));
	close(ends[0]);
	close(ends[1]);
}

static void wait_by_poll(struct waiter *w)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };

	if (poll(&p, 1, -1) == 1)
		w->events = p.revents;
}

static void wait_by_epoll_for(struct waiter *w, uint32_t events)
{
	struct epoll_event event = { .events = events };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (!epoll_ctl(ep, EPOLL_CTL_ADD, w->fd, &event) && epoll_wait(ep, &event, 1, -1) == 1)
		w->events = event.events;
	close(ep);
}

static void wait_by_epoll(struct waiter *w)
{
	wait_by_epoll_for(w, EPOLLIN);
}

static void wait_by_epoll_edge(struct waiter *w)
{
	wait_by_epoll_for(w, EPOLLIN | EPOLLET);
}

/* Submits one request and gives its result. */
static int ring_result(struct waiter *w,
		       void (*prepare)(struct io_uring_sqe *sqe, struct waiter *w))
{
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int result = io_uring_queue_init(4, &ring, 0);

	if (result)
		return result;
	prepare(io_uring_get_sqe(&ring), w);
	do
		result = io_uring_submit_and_wait(&ring, 1);
	while (result == -EINTR);
	if (!io_uring_peek_cqe(&ring, &cqe))
		result = cqe->res;
	io_uring_queue_exit(&ring);
	return result;
}

static void prepare_read(struct io_uring_sqe *sqe, struct waiter *w)
{
	io_uring_prep_read(sqe, w->fd, w->text, sizeof(w->text), -1);
}

static void wait_by_uring_read(struct waiter *w)
{
	w->got = ring_result(w, prepare_read);
}

static void prepare_async_read(struct io_uring_sqe *sqe, struct waiter *w)
{
	prepare_read(sqe, w);
	sqe->flags |= IOSQE_ASYNC;
}

static void wait_by_uring_thread(struct waiter *w)
{
	w->got = ring_result(w, prepare_async_read);
}

static void prepare_poll(struct io_uring_sqe *sqe, struct waiter *w)
{
	io_uring_prep_poll_add(sqe, w->fd, POLLIN);
}

static void wait_by_uring_poll(struct waiter *w)
{
	w->events = ring_result(w, prepare_poll);
}

/* Signals of this kind only for the calling thread, which must have blocked them. */
static inline int async_on(int fd, int sig)
{
	struct f_owner_ex owner = { .type = F_OWNER_TID, .pid = gettid() };

	if (fcntl(fd, F_SETSIG, sig) || fcntl(fd, F_SETOWN_EX, &owner))
		return -errno;
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC) ? -errno : 0;
}

static void wait_by_signal(struct waiter *w)
{
	siginfo_t told;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (!async_on(w->fd, SIGRTMIN) && sigwaitinfo(&set, &told) == SIGRTMIN &&
	    told.si_fd == w->fd)
		w->events = told.si_band & (POLLIN | POLLHUP);
	fcntl(w->fd, F_SETFL, fcntl(w->fd, F_GETFL) & ~O_ASYNC);
}

static const struct way by_read = { SYS_read, wait_by_read, true };
static const struct way by_splice = { SYS_splice, wait_by_splice, true };
static const struct way by_poll = { SYS_poll, wait_by_poll, false };
static const struct way by_epoll = { SYS_epoll_wait, wait_by_epoll, false };
static const struct way by_epoll_edge = { SYS_epoll_wait, wait_by_epoll_edge, false };
static const struct way by_uring_read = { SYS_io_uring_enter, wait_by_uring_read, true };
static const struct way by_uring_thread = { SYS_io_uring_enter, wait_by_uring_thread, true };
static const struct way by_uring_poll = { SYS_io_uring_enter, wait_by_uring_poll, false };
static const struct way by_signal = { SYS_rt_sigtimedwait, wait_by_signal, false };

static void *waiter_run(void *arg)
{
	struct waiter *w = arg;

	/* Elsewhere than who writes, if there is such a place. */
	pin_to_cpu(cpus() - 1);
	__atomic_store_n(&w->tid, gettid(), __ATOMIC_RELEASE);
	errno = 0;
	w->way->wait(w);
	if (!w->way->takes) {
		fcntl(w->fd, F_SETFL, fcntl(w->fd, F_GETFL) | O_NONBLOCK);
		w->got = read(w->fd, w->text, sizeof(w->text));
	}
	if (w->got == -1)
		w->got = -errno;
	__atomic_store_n(&w->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static inline bool waiter_is_done(const struct waiter *w)
{
	return __atomic_load_n(&w->done, __ATOMIC_ACQUIRE);
}

static inline ssize_t file_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[n < 0 ? 0 : n] = 0;
	if (fd >= 0)
		close(fd);
	return n;
}

/*
 * Whether the thread that io_uring made for it sleeps: it was woken, or made, before the waiter
 * slept, so it has tried to read; and if it sleeps for want of work then because it is to be called
 * when there is data.
 */
static inline bool worker_sleeps(const struct waiter *w)
{
	char path[64], name[32], got[64] = "";
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	pid_t tid = 0;

	snprintf(name, sizeof(name), "iou-wrk-%d\n", w->tid);
	while (tasks && (task = readdir(tasks))) {
		snprintf(path, sizeof(path), "/proc/self/task/%.16s/comm", task->d_name);
		if (file_text(path, got, sizeof(got)) > 0 && !strcmp(got, name))
			tid = atoi(task->d_name);
	}
	if (tasks)
		closedir(tasks);
	return tid && task_state(tid) == 'S';
}

/* True when it sleeps, after whatever may have had it look again. */
static inline bool waiter_waits(const struct waiter *w)
{
	if (!wait_until_in(w->tid, w->way->call))
		return false;
	/* If there is none any more, it was idle for seconds. */
	for (double end = seconds() + 1; w->way == &by_uring_thread && seconds() < end;) {
		if (waiter_is_done(w) || worker_sleeps(w))
			break;
		usleep(1000);
	}
	return true;
}

/* True when it sleeps. */
static inline bool waiter_start(struct waiter *w, const struct way *way, int fd)
{
	memset(w, 0, sizeof(*w));
	w->way = way;
	w->fd = fd;
	if (pthread_create(&w->thread, NULL, waiter_run, w))
		return false;
	while (!__atomic_load_n(&w->tid, __ATOMIC_ACQUIRE))
		usleep(1000);
	return waiter_waits(w);
}

/* Whether it sleeps on: says nothing of who was woken and has not come to run. */
static inline bool waiter_sleeps(const struct waiter *w)
{
	return !waiter_is_done(w) && task_state(w->tid) == 'S';
}

/* Whether its wait has ended, and nothing but what was done has ended it. */
static inline bool waiter_ends(struct waiter *w)
{
	for (int i = 0; i < WAIT_SECONDS * 1000 && !waiter_is_done(w); i++)
		usleep(1000);
	return waiter_is_done(w) && !pthread_join(w->thread, NULL);
}

#endif
