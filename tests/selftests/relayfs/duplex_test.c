// SPDX-License-Identifier: GPL-2.0
/* Channels that are like a socket with the kernel at the other end. */

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/uio.h>

#include "readers.h"

FIXTURE(duplex)
{
	int dev, id, reader;
	int fd;
};

FIXTURE_VARIANT(duplex)
{
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(duplex, smp) { RELAY_USAGE_SMP };
FIXTURE_VARIANT_ADD(duplex, smp_no_overwrite) { RELAY_USAGE_SMP | RELAY_MODE_NO_OVERWRITE };
FIXTURE_VARIANT_ADD(duplex, global) { RELAY_USAGE_GLOBAL };
FIXTURE_VARIANT_ADD(duplex, global_no_overwrite)
{
	RELAY_USAGE_GLOBAL | RELAY_MODE_NO_OVERWRITE
};

FIXTURE_VARIANT_ADD(duplex, global_locking)
{
	RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING | RELAY_MODE_NO_OVERWRITE
};

FIXTURE_SETUP(duplex)
{
	self->dev = calls_device();
	ASSERT_GE(self->dev, 0);
	self->id = calls_open(self->dev, "duplex", (struct calls_open){
		.subbuf_size = SUBBUF, .n_subbufs = N, .mode = 0600,
		.flags = variant->flags | RELAY_DUPLEX | RELAY_DELIVERY_PACKET });
	ASSERT_GE(self->id, 0);
	self->reader = reader_add(self->dev, self->id, RELAY_CPU_ALL, 1);
	ASSERT_GE(self->reader, 0);
	self->fd = file_open("duplex", O_RDWR | O_NONBLOCK);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(duplex)
{
	close(self->fd);
	close(self->dev);
}

/* What both sides say to each other: words, all alike, behind a head. */
struct message {
	uint16_t len;		/* in all */
	uint16_t writer;
	uint32_t number;
	uint32_t words[60];
};

#define WRITERS		4
#define EACH		scaled(300)
#define HEAD		offsetof(struct message, words)

static void make(struct message *m, uint32_t writer, uint32_t number, uint32_t word)
{
	uint32_t words = (number * 7 + writer * 13) % 60;

	m->len = HEAD + words * 4;
	m->writer = writer;
	m->number = number;
	for (uint32_t i = 0; i < words; i++)
		m->words[i] = word + number;
}

/* Bytes that come in until they are messages. */
struct stream {
	char bytes[4 * SUBBUF];
	size_t have, at;
};

/* The next message, if it is all there. */
static bool next(struct stream *s, struct message *m)
{
	uint16_t len;

	if (s->have - s->at < HEAD)
		goto more;
	memcpy(&len, s->bytes + s->at, sizeof(len));
	if (len < HEAD || len > sizeof(*m) || s->have - s->at < len)
		goto more;
	memcpy(m, s->bytes + s->at, len);
	s->at += len;
	return true;
more:
	memmove(s->bytes, s->bytes + s->at, s->have - s->at);
	s->have -= s->at;
	s->at = 0;
	return false;
}

/* Whether a message is the next of its writer's, and as it was made. */
static bool right(const struct message *m, uint32_t *expected, uint32_t word)
{
	struct message same;

	if (m->writer >= WRITERS || m->number != expected[m->writer])
		return false;
	expected[m->writer]++;
	make(&same, m->writer, m->number, word);
	return same.len == m->len && !memcmp(&same, m, m->len);
}

struct side {
	pthread_t thread;
	int dev, id, reader, fd;
	uint32_t writer, each;
	uint32_t done;		/* messages */
	uint32_t wrong;
};

/* The kernel's: answers each message with as many other words. */
static void *answer(void *arg)
{
	static struct stream s;
	uint32_t expected[WRITERS] = {};
	struct side *kernel = arg;
	struct message m;
	long n;

	memset(&s, 0, sizeof(s));
	/* In one buffer: those of several CPUs are not in one order to each other. */
	pin_to_cpu(0);
	while ((n = reader_read(kernel->dev, kernel->reader, s.bytes + s.have,
				sizeof(s.bytes) - s.have, 1)) > 0) {
		s.have += n;
		while (next(&s, &m)) {
			kernel->wrong += !right(&m, expected, 0x100);
			make(&m, m.writer, m.number, 0x200);
			/* There is always room, sooner or later: somebody reads. */
			while (calls(kernel->dev, CALLS_WRITE_WAIT, kernel->id,
				     .data = (uintptr_t)&m, .len = m.len, .flag = -1) < 0)
				kernel->wrong++;
			kernel->done++;
		}
	}
	kernel->wrong += s.have != s.at;
	return NULL;
}

static void *ask(void *arg)
{
	struct side *user = arg;
	struct message m;

	for (uint32_t i = 0; i < user->each; i++) {
		make(&m, user->writer, i, 0x100);
		if (write(user->fd, &m, m.len) == m.len)
			user->done++;
	}
	return NULL;
}

TEST_F(duplex, a_conversation_of_many)
{
	static struct stream s;
	struct side kernel = { .dev = self->dev, .id = self->id, .reader = self->reader };
	uint32_t expected[WRITERS] = {}, answers = 0, wrong = 0;
	/* As many as one buffer holds, where what is not read at once may be overwritten. */
	uint32_t each = variant->flags & RELAY_MODE_NO_OVERWRITE ? EACH : 20;
	struct pollfd p = { .fd = self->fd, .events = POLLIN };
	struct side users[WRITERS];
	struct rchan_info info;
	struct message m;
	ssize_t n;

	memset(&s, 0, sizeof(s));
	ASSERT_EQ(pthread_create(&kernel.thread, NULL, answer, &kernel), 0);
	for (int i = 0; i < WRITERS; i++) {
		users[i] = (struct side){ .fd = file_open("duplex", O_WRONLY), .writer = i,
					 .each = each };
		ASSERT_EQ(pthread_create(&users[i].thread, NULL, ask, &users[i]), 0);
	}
	while (answers < WRITERS * each) {
		poll(&p, 1, -1);
		n = read(self->fd, s.bytes + s.have, sizeof(s.bytes) - s.have);
		if (n > 0)
			s.have += n;
		while (next(&s, &m)) {
			wrong += !right(&m, expected, 0x200);
			answers++;
		}
	}
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(s.have, s.at);
	for (int i = 0; i < WRITERS; i++) {
		pthread_join(users[i].thread, NULL);
		EXPECT_EQ(users[i].done, each);
		close(users[i].fd);
	}
	/* What the kernel wrote is the channel's; what users wrote is not in there. */
	info = calls_info(self->dev, self->id);
	EXPECT_TRUE(adds_up(&info));
	EXPECT_EQ(info.produced.records, WRITERS * each);
	EXPECT_EQ(info.full.records, 0);
	EXPECT_EQ(calls(self->dev, CALLS_CLOSE, self->id), 0);
	pthread_join(kernel.thread, NULL);
	EXPECT_EQ(kernel.done, WRITERS * each);
	EXPECT_EQ(kernel.wrong, 0);
	EXPECT_EQ(read(self->fd, &m, sizeof(m)), 0);
}

static char block[SUBBUF], in[2 * N * SUBBUF];

static int events_of(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

/* Fills what goes to the kernel; how many bytes. */
static int fill(int fd)
{
	int n = 0;

	while (write(fd, block, SUBBUF) == SUBBUF)
		n += SUBBUF;
	return n;
}

TEST_F(duplex, the_two_directions_have_room_of_their_own)
{
	int n = fill(self->fd);

	/* Nothing users wrote is overwritten, whatever the mode. */
	EXPECT_EQ(n, N * SUBBUF);
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(events_of(self->fd), 0);
	EXPECT_EQ(calls_write(self->dev, self->id, "answer", 6), 6);
	EXPECT_EQ(events_of(self->fd), POLLIN);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 6);
	EXPECT_EQ(memcmp(in, "answer", 6), 0);
	EXPECT_EQ(reader_read(self->dev, self->reader, in, SUBBUF, 0), SUBBUF);
	EXPECT_EQ(events_of(self->fd), POLLOUT);
	/* When the kernel's is full, users write on. */
	for (int i = 0; i < 2 * N * cpus(); i++)
		calls_write(self->dev, self->id, block, SUBBUF);
	EXPECT_EQ(events_of(self->fd), POLLIN | POLLOUT);
	EXPECT_EQ(write(self->fd, block, SUBBUF), SUBBUF);
	EXPECT_EQ(reader_read(self->dev, self->reader, in, sizeof(in), 0), n);
}

TEST_F(duplex, what_is_too_long_or_not_there_is_not_written)
{
	char *map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0);
	struct iovec parts[2] = { { map, 100 }, { map + PAGE - 8, 16 } };

	ASSERT_NE(map, MAP_FAILED);
	munmap(map + PAGE, PAGE);
	EXPECT_EQ(write(self->fd, in, SUBBUF + 1), -1);
	EXPECT_EQ(errno, EMSGSIZE);
	EXPECT_EQ(write(self->fd, map + PAGE - 50, 100), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(writev(self->fd, parts, 2), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(reader_read(self->dev, self->reader, in, sizeof(in), 0), -EAGAIN);
	EXPECT_EQ(write(self->fd, "whole", 5), 5);
	EXPECT_EQ(reader_read(self->dev, self->reader, in, sizeof(in), 0), 5);
	EXPECT_EQ(memcmp(in, "whole", 5), 0);
	munmap(map, PAGE);
}

struct writer {
	pthread_t thread;
	int fd;
	long result;
	int error;
	int tid;
	bool done;
};

static void *write_block(void *arg)
{
	struct writer *w = arg;

	__atomic_store_n(&w->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	w->result = write(w->fd, block, SUBBUF);
	w->error = errno;
	__atomic_store_n(&w->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void nothing(int signal)
{
	(void)signal;
}

static void start_waiting(struct writer *w)
{
	int tid;

	*w = (struct writer){ .fd = file_open("duplex", O_WRONLY) };
	pthread_create(&w->thread, NULL, write_block, w);
	while (!(tid = __atomic_load_n(&w->tid, __ATOMIC_ACQUIRE)) || task_state(tid) != 'S')
		usleep(1000);
}

TEST_F(duplex, who_waits_goes_on_when_the_kernel_has_read)
{
	struct writer w;

	fill(self->fd);
	start_waiting(&w);
	EXPECT_FALSE(w.done);
	EXPECT_EQ(reader_read(self->dev, self->reader, in, SUBBUF, 0), SUBBUF);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.result, SUBBUF);
	close(w.fd);
}

TEST_F(duplex, a_signal_ends_the_wait_and_nothing_is_written)
{
	struct sigaction action = { .sa_handler = nothing };
	struct writer w;
	int n = fill(self->fd);

	sigaction(SIGUSR1, &action, NULL);
	start_waiting(&w);
	pthread_kill(w.thread, SIGUSR1);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.result, -1);
	EXPECT_EQ(w.error, EINTR);
	EXPECT_EQ(reader_read(self->dev, self->reader, in, sizeof(in), 0), n);
	EXPECT_EQ(reader_read(self->dev, self->reader, in, sizeof(in), 0), -EAGAIN);
	close(w.fd);
}

static void *do_close(void *arg)
{
	struct side *kernel = arg;

	return (void *)calls(kernel->dev, CALLS_CLOSE, kernel->id);
}

TEST_F(duplex, the_end_is_told_to_both)
{
	struct side kernel = { .dev = self->dev, .id = self->id };
	struct writer w;
	int n = fill(self->fd);

	EXPECT_EQ(calls_write(self->dev, self->id, "last words", 10), 10);
	start_waiting(&w);
	ASSERT_EQ(pthread_create(&kernel.thread, NULL, do_close, &kernel), 0);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.result, -1);
	EXPECT_EQ(w.error, EPIPE);
	pthread_join(kernel.thread, NULL);
	/* Either side gets what there is. */
	EXPECT_EQ(reader_read(self->dev, self->reader, in, sizeof(in), 1), n);
	EXPECT_EQ(reader_read(self->dev, self->reader, in, sizeof(in), 1), 0);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 10);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 0);
	EXPECT_EQ(write(self->fd, "x", 1), -1);
	EXPECT_EQ(errno, EPIPE);
	close(w.fd);
}

TEST_F(duplex, observers_and_who_is_alone_write_as_well)
{
	int observer = observer_open("duplex", O_RDWR | O_NONBLOCK);
	int alone = file_open("duplex", O_RDWR | O_EXCL | O_NONBLOCK);

	ASSERT_GE(observer, 0);
	ASSERT_GE(alone, 0);
	EXPECT_EQ(write(observer, "one", 3), 3);
	EXPECT_EQ(write(alone, "two", 3), 3);
	EXPECT_EQ(reader_read(self->dev, self->reader, in, sizeof(in), 0), 6);
	EXPECT_EQ(memcmp(in, "onetwo", 6), 0);
	EXPECT_EQ(calls_write(self->dev, self->id, "both", 4), 4);
	EXPECT_EQ(read(observer, in, sizeof(in)), 4);
	EXPECT_EQ(read(alone, in, sizeof(in)), 4);
	close(observer);
	close(alone);
}

/* Users ask with write(2), and the answers are read where they lie, without a copy. */
TEST_F(duplex, the_answers_are_mapped)
{
	int fd = file_open("duplex.d/cpu0", O_RDWR | O_EXCL | O_NONBLOCK);
	const struct relayfs_meta *meta;
	struct relayfs_consumer *page;
	uint32_t asked;
	size_t len;
	char *map;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, RELAYFS_OFF_CONSUMER);
	ASSERT_NE(page, MAP_FAILED);
	meta = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(meta, MAP_FAILED);
	len = meta->data_offset + N * SUBBUF;
	map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(map, MAP_FAILED);
	for (uint32_t i = 0; i < 4 * N; i++) {
		EXPECT_EQ(write(self->fd, &i, sizeof(i)), sizeof(i));
		EXPECT_EQ(reader_read(self->dev, self->reader, &asked, sizeof(asked), 0),
			  sizeof(asked));
		EXPECT_EQ(asked, i);
		EXPECT_EQ(events_of(fd) & POLLIN, 0);
		memset(block, i + 1, SUBBUF);
		EXPECT_EQ(calls_write(self->dev, self->id, block, SUBBUF), SUBBUF);
		EXPECT_EQ(events_of(fd) & POLLIN, POLLIN);
		EXPECT_EQ(__atomic_load_n(&meta->delivered, __ATOMIC_ACQUIRE), i + 1);
		EXPECT_EQ(memcmp(map + meta->data_offset + i % N * SUBBUF, block, SUBBUF), 0);
		__atomic_store_n(&page->position, (i + 1ull) * SUBBUF, __ATOMIC_RELEASE);
	}
	/* What users write meanwhile is not in there. */
	EXPECT_EQ(meta->delivered_records, 4 * N);
	EXPECT_EQ(calls_info(self->dev, self->id).full.records, 0);
	munmap(map, len);
	munmap((void *)meta, PAGE);
	munmap(page, PAGE);
	close(fd);
}

TEST_HARNESS_MAIN
