// SPDX-License-Identifier: GPL-2.0
/*
 * Reads the channel of systrace.ko: prints its events as lines, checks that none is doubled or out
 * of order, counts those that are missing, and ends with a summary. See explain() and systrace.h.
 * What comes from the channel are packets, see struct relayfs_packet in <linux/relayfs.h>.
 */

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/relayfs.h>
#include "systrace.h"

#define MAX_CPUS	4096
/* A packet is as long as a sub-buffer at most; the buffer grows if that is more. */
#define BUFFER_SIZE	(256 * 1024)
#define NS_PER_S	1000000000ULL
/*
 * This program is traced too: each of its system calls makes events. So there must be none that is
 * made for each event, and some time for events to gather before it looks again, or it would be
 * busy with itself for ever.
 */
#define PAUSE_NS	20000000

/* One CPU's file, and what was found in it. */
struct source {
	unsigned int cpu;
	int fd;
	bool ended;
	__u64 next_seq, next_packet;
	/* first: number of the first event; missing: gaps in the numbers after it. */
	__u64 events, bytes, missing, first;
	/* What was read and not yet looked at: the end of the last read may be part of a packet. */
	size_t held, size;
	char *buffer;
	/* A packet, taken from there: its contents are aligned to its start. */
	struct relayfs_packet *packet;
};

static struct source sources[MAX_CPUS];
static struct pollfd polls[MAX_CPUS];
static nfds_t n_sources;

static bool quiet, lives_only;
static unsigned long lines_per_s = 200;
/* CLOCK_MONOTONIC in ns: when to end, when this look at the buffers began. */
static __u64 until = ~0ULL, round_began;
static __u32 own_tgid;

static void explain(void)
{
	fputs("usage: systrace_read [-q] [-p] [-r LINES] [-t SECONDS] [FOLDER]\n"
	      "  -q  only the summary\n"
	      "  -p  only processes: programs started and ended\n"
	      "  -r  print at most LINES per second (default: 200; 0: all)\n"
	      "  -t  end after SECONDS (default: with the channel, or at ^C)\n"
	      "FOLDER is the channel's (default: /sys/kernel/relay/systrace.d).\n"
	      "One at a time: several readers would share what there is, in pieces.\n"
	      "The summary counts for each CPU the events read, those missing between them, and\n"
	      "those before the first one, which were lost or read by somebody else.\n"
	      "The exit status is 1 if an event is corrupt, doubled or out of order.\n", stderr);
	exit(2);
}

static __u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* What the fields of an event are at least long. */
static size_t least_len(unsigned int type)
{
	switch (type) {
	case SYSTRACE_sched_switch:	return sizeof(struct systrace_sched_switch);
	case SYSTRACE_exec:		return sizeof(struct systrace_exec) + 1;
	case SYSTRACE_exit:		return sizeof(struct systrace_exit);
	case SYSTRACE_sys_enter:	return sizeof(struct systrace_sys_enter);
	case SYSTRACE_sys_exit:		return sizeof(struct systrace_sys_exit);
	}
	return SIZE_MAX;
}

/* Whether there is room for a line this second; says how many there was no room for. */
static bool may_print(void)
{
	static unsigned long printed, left_out;
	static __u64 second;
	__u64 this_second = round_began / NS_PER_S;

	if (this_second != second) {
		if (left_out)
			printf("(%lu more)\n", left_out);
		second = this_second;
		printed = 0;
		left_out = 0;
	}
	if (lines_per_s && printed >= lines_per_s) {
		left_out++;
		return false;
	}
	printed++;
	return true;
}

static void print(const struct source *source, const struct relayfs_event *event)
{
	const union {
		struct systrace_head head;
		struct systrace_sched_switch to;
		struct systrace_exec exec;
		struct systrace_exit exit;
		struct systrace_sys_enter enter;
		struct systrace_sys_exit ret;
	} *rec = (const void *)(event + 1);
	const __u64 *args = rec->enter.args;

	printf("[%5llu.%06llu] cpu%u %u/%u ", event->timestamp / NS_PER_S,
	       event->timestamp % NS_PER_S / 1000, source->cpu, rec->head.tgid, rec->head.pid);
	switch (event->id) {
	case SYSTRACE_sched_switch:
		printf("switch to %u (%.*s), state %#x\n", rec->to.next_pid, SYSTRACE_COMM_LEN,
		       rec->to.next_comm, rec->to.prev_state);
		break;
	case SYSTRACE_exec:
		printf("exec %s\n", rec->exec.filename);
		break;
	case SYSTRACE_exit:
		printf("exit (%.*s), status %u, signal %u%s\n", SYSTRACE_COMM_LEN, rec->exit.comm,
		       rec->exit.code >> 8 & 0xff, rec->exit.code & 0x7f,
		       rec->exit.group_dead ? "" : ", a thread");
		break;
	case SYSTRACE_sys_enter:
		printf("syscall %lld(%#llx, %#llx, %#llx, %#llx, %#llx, %#llx)\n", rec->enter.nr,
		       args[0], args[1], args[2], args[3], args[4], args[5]);
		break;
	case SYSTRACE_sys_exit:
		printf("syscall %lld = %lld\n", rec->ret.nr, rec->ret.ret);
		break;
	}
}

static bool is_wanted(const struct relayfs_event *event)
{
	const struct systrace_sched_switch *to = (const void *)(event + 1);

	/* Whoever watches is not interested in the watching. */
	if (quiet || to->head.tgid == own_tgid)
		return false;
	if (event->id == SYSTRACE_sched_switch && to->next_pid == own_tgid)
		return false;
	return !lives_only || event->id == SYSTRACE_exec || event->id == SYSTRACE_exit;
}

/* Looks at an event of which @left bytes are there. */
static void take(struct source *source, const struct relayfs_event *event, size_t left)
{
	const struct systrace_head *head = (const void *)(event + 1);
	const char *wrong = NULL;

	if (left < sizeof(*event) || left < sizeof(*event) + event->len)
		wrong = "cut off";
	else if (event->id >= SYSTRACE_TYPES)
		wrong = "unknown type";
	else if (event->len < least_len(event->id))
		wrong = "impossible length";
	else if (event->id == SYSTRACE_exec && ((const char *)head)[event->len - 1])
		wrong = "string without an end";
	else if (head->seq < source->next_seq)
		wrong = "doubled or out of order";
	if (wrong)
		errx(1, "cpu%u: corrupt event after %llu: %s", source->cpu, source->events, wrong);
	if (source->events)
		source->missing += head->seq - source->next_seq;
	else
		source->first = head->seq;
	source->next_seq = head->seq + 1;
	source->events++;
	if (is_wanted(event) && may_print())
		print(source, event);
}

/* Looks at a packet. Whether all in it was from before the end. */
static bool unpack(struct source *source, const struct relayfs_packet *packet)
{
	const char *start = (const char *)packet;
	size_t at = sizeof(*packet), end = packet->content_size / 8;

	if (packet->magic != RELAYFS_PACKET_MAGIC || packet->cpu_id != source->cpu ||
	    packet->content_size > packet->packet_size ||
	    packet->packet_seq_num < source->next_packet)
		errx(1, "cpu%u: corrupt packet %llu after %llu events", source->cpu,
		     packet->packet_seq_num, source->events);
	source->next_packet = packet->packet_seq_num + 1;
	/* As the channel counts: events with what is before them. */
	source->bytes += end - at;
	while (at < end) {
		const struct relayfs_event *event = (const void *)(start + at);

		take(source, event, end - at);
		at += (sizeof(*event) + event->len + 7) & ~7ULL;
	}
	return packet->timestamp_end < until;
}

static void make_room(struct source *source)
{
	source->buffer = realloc(source->buffer, source->size);
	source->packet = realloc(source->packet, source->size);
	if (!source->buffer || !source->packet)
		err(1, "realloc");
}

/* Looks at all whole packets held. Whether all were from before the end. */
static bool decode(struct source *source)
{
	const char *at = source->buffer;
	bool in_time = true;

	while (source->held >= sizeof(struct relayfs_packet)) {
		struct relayfs_packet head;
		size_t size;

		memcpy(&head, at, sizeof(head));
		size = head.packet_size / 8;
		if (size < sizeof(head))
			errx(1, "cpu%u: a packet of %zu bytes", source->cpu, size);
		if (source->held < size) {
			if (size > source->size)
				source->size = size;
			break;
		}
		memcpy(source->packet, at, size);
		in_time = unpack(source, source->packet);
		at += size;
		source->held -= size;
	}
	memmove(source->buffer, at, source->held);
	make_room(source);
	return in_time;
}

/*
 * Reads what there is now; if it is the last time, until the end is reached. Whether it was as much
 * as could be read at once, so that there may be more.
 */
static bool drain(struct source *source, bool last)
{
	size_t room;
	ssize_t n;

	do {
		room = source->size - source->held;
		n = read(source->fd, source->buffer + source->held, room);
		if (n < 0) {
			if (errno != EAGAIN)
				err(1, "cpu%u: read", source->cpu);
			return false;
		}
		source->held += n;
		if (!n && source->held)
			errx(1, "cpu%u: ends inside a packet", source->cpu);
		source->ended = !n;
	} while (decode(source) && last && n);
	return (size_t)n == room;
}

static void add(int folder, const char *name, unsigned int cpu)
{
	struct source *source = &sources[n_sources];

	if (n_sources == MAX_CPUS)
		errx(1, "more than %u CPUs", MAX_CPUS);
	source->cpu = cpu;
	source->fd = openat(folder, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (source->fd < 0)
		err(1, "%s", name);
	source->size = BUFFER_SIZE;
	make_room(source);
	n_sources++;
}

static int by_cpu(const void *a, const void *b)
{
	const struct source *x = a, *y = b;

	return (x->cpu > y->cpu) - (x->cpu < y->cpu);
}

static void open_all(const char *path)
{
	const struct dirent *entry;
	DIR *dir = opendir(path);

	if (!dir)
		err(1, "%s", path);
	while ((entry = readdir(dir))) {
		unsigned int cpu;

		if (sscanf(entry->d_name, "cpu%u", &cpu) == 1)
			add(dirfd(dir), entry->d_name, cpu);
	}
	closedir(dir);
	if (!n_sources)
		errx(1, "%s: no cpuN in it", path);
	qsort(sources, n_sources, sizeof(sources[0]), by_cpu);
}

/* Waits for something to read. False: for the last time. */
static bool wait_for_data(const sigset_t *signals, bool more)
{
	const struct timespec pause = { .tv_nsec = more ? 0 : PAUSE_NS };

	/* Signals are blocked: here is where they are noticed. */
	if (sigtimedwait(signals, NULL, &pause) > 0)
		until = now();
	for (nfds_t i = 0; i < n_sources; i++)
		/* A negative descriptor is passed over. */
		polls[i] = (struct pollfd) {
			.fd = sources[i].ended ? -1 : sources[i].fd,
			.events = POLLIN,
		};
	if (poll(polls, n_sources, until > now() ? 100 : 0) < 0)
		err(1, "poll");
	round_began = now();
	return until > round_began;
}

static void follow(const sigset_t *signals)
{
	bool going = true, more = false;
	nfds_t left = n_sources;

	while (going && left) {
		going = wait_for_data(signals, more);
		more = false;
		for (nfds_t i = 0; i < n_sources; i++) {
			if (sources[i].ended || (going && !polls[i].revents))
				continue;
			more |= drain(&sources[i], !going);
			left -= sources[i].ended;
		}
		fflush(stdout);
	}
}

static void summarise(void)
{
	__u64 events = 0, bytes = 0, missing = 0;

	printf("%-8s %12s %14s %12s %12s\n", "buffer", "events", "bytes", "missing", "first");
	for (nfds_t i = 0; i < n_sources; i++) {
		const struct source *source = &sources[i];

		printf("cpu%-5u %12llu %14llu %12llu %12llu\n", source->cpu, source->events,
		       source->bytes, source->missing, source->first);
		events += source->events;
		bytes += source->bytes;
		missing += source->missing;
	}
	printf("%-8s %12llu %14llu %12llu\n", "total", events, bytes, missing);
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || value > 1000000000)
		explain();
	return value;
}

int main(int argc, char *argv[])
{
	const char *path = "/sys/kernel/relay/systrace.d";
	sigset_t signals;
	int option;

	while ((option = getopt(argc, argv, "qpr:t:")) != -1) {
		switch (option) {
		case 'q':
			quiet = true;
			break;
		case 'p':
			lives_only = true;
			break;
		case 'r':
			lines_per_s = number(optarg);
			break;
		case 't':
			until = now() + number(optarg) * NS_PER_S;
			break;
		default:
			explain();
		}
	}
	if (argc - optind > 1)
		explain();
	if (optind < argc)
		path = argv[optind];
	own_tgid = getpid();
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	open_all(path);
	follow(&signals);
	summarise();
	return 0;
}
