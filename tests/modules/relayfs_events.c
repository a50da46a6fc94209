// SPDX-License-Identifier: GPL-2.0
/*
 * Channels of events whose every field follows from the CPU that wrote it and its number there, so
 * that whoever reads them knows what must be in them: tests/ctf/judge.py does. Writing a number to
 * the parameter stage begins that stage.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/relayfs_events.h>
#include <linux/smp.h>
#include <linux/uio.h>
#include <linux/workqueue.h>

#define ROUNDS		64
#define MAX_WORDS	5
#define MAX_CPUS	64

#define TEST_EVENTS(EVENT)						\
	EVENT(numbers, (u64, n), (u8, cpu),				\
	      (u8, a), (u16, b), (u32, c), (u64, d),			\
	      (s8, e), (s16, f), (s32, g), (s64, h),			\
	      (x8, i), (x16, j), (x32, k), (x64, l))			\
	EVENT(padded, (u8, cpu), (u64, n), (u8, a), (u32, b), (u8, c))	\
	EVENT(arrays, (u64, n), (u8, cpu),				\
	      (array, u8, mac, 6), (array, s32, signs, 3),		\
	      (array, x16, hex, 2), (text, name, 16), (text, full, 4))	\
	EVENT(message, (u64, n), (u8, cpu), (string, text))		\
	EVENT(bytes, (u64, n), (u8, cpu), (sequence, x8, data))		\
	EVENT(words, (u64, n), (u8, cpu), (sequence, s64, data))	\
	EVENT(empty)

#define KINDS	6	/* that have a number */

RELAY_EVENTS(test_schema, TEST_EVENTS);

/* A channel, and what each CPU has done to it. */
struct test {
	const char *path;
	u32 flags;
	u32 n_subbufs;
	const struct relay_schema *schema;
	struct rchan *chan;
	struct account {
		u64 next, written, refused;
	} accounts[MAX_CPUS];
};

enum { ALL, LOCKED, GLOBAL, TSC, FULL, LAPPED, BLOB, MERGED, MERGED_TSC, MERGED_LAPPED, TESTS };

#define KEEP	RELAY_MODE_NO_OVERWRITE

static struct test tests[TESTS] = {
	[ALL] = { "ctf/all", KEEP, 64, &test_schema },
	[LOCKED] = { "ctf/locked", KEEP | RELAY_SCHEME_LOCKING, 64, &test_schema },
	[GLOBAL] = { "ctf/global", KEEP | RELAY_USAGE_GLOBAL, 256, &test_schema },
	[TSC] = { "ctf/tsc", KEEP | RELAY_TIMESTAMP_TSC, 64, &test_schema },
	[FULL] = { "ctf/full", KEEP, 4, &test_schema },
	[LAPPED] = { "ctf/lapped", RELAY_MODE_CONTINUOUS, 4, &test_schema },
	[BLOB] = { "ctf/blob\"", KEEP, 8, NULL },
	[MERGED] = { "ctf/merged", KEEP, 4, &test_schema },
	[MERGED_TSC] = { "ctf/merged_tsc", KEEP | RELAY_TIMESTAMP_TSC, 4, &test_schema },
	[MERGED_LAPPED] = { "ctf/merged_lapped", RELAY_MODE_CONTINUOUS, 4, &test_schema },
};

/* An event of kind n % KINDS. */
static ssize_t write_kind(struct rchan *chan, u64 n, u8 cpu)
{
	const u8 mac[6] = { n, n + 1, n + 2, n + 3, n + 4, n + 5 };
	const s32 signs[3] = { -(s32)n, n, -1 };
	const u16 hex[2] = { n, ~n };
	s64 words[MAX_WORDS];
	char text[24];

	for (int i = 0; i < MAX_WORDS; i++)
		words[i] = (i & 1 ? -1 : 1) * (s64)(n + i);
	switch (n % KINDS) {
	case 0:
		return relay_event_numbers(chan, n, cpu, n, n * 3, n * 5, n * 7, -n, -n * 3, -n * 5,
					   -n * 7, n, n * 3, n * 5, n * 0x9e3779b97f4a7c15ULL);
	case 1:
		return relay_event_padded(chan, cpu, n, n * 3, n * 5, n * 7);
	case 2:
		snprintf(text, sizeof(text), "name %llu", n);
		return relay_event_arrays(chan, n, cpu, mac, signs, hex, text, "fulltext");
	case 3:
		snprintf(text, sizeof(text), "%.*s%llu", (int)(n % 9), "abcdefgh", n);
		return relay_event_message(chan, n, cpu, n % 5 ? text : "");
	case 4:
		return relay_event_bytes(chan, n, cpu, mac, n % 7);
	default:
		return relay_event_words(chan, n, cpu, words,
					 n / KINDS % (MAX_WORDS + 1));
	}
}

static void count(struct account *account, ssize_t ret)
{
	if (ret < 0)
		account->refused++;
	else
		account->written++;
}

static void write_next(struct test *test, int cpu)
{
	struct account *account = &test->accounts[cpu];

	count(account, write_kind(test->chan, account->next++, cpu));
}

struct interrupt {
	struct irq_work work;
	struct test *test;
	int cpu;
	bool done;
};

static void on_interrupt(struct irq_work *work)
{
	struct interrupt *interrupt = container_of(work, struct interrupt, work);

	write_next(interrupt->test, interrupt->cpu);
	WRITE_ONCE(interrupt->done, true);
}

/* The same from an interrupt, which comes at once. */
static void write_next_interrupted(struct test *test, int cpu)
{
	struct interrupt interrupt = {
		.work = IRQ_WORK_INIT_HARD(on_interrupt),
		.test = test,
		.cpu = cpu,
	};

	irq_work_queue(&interrupt.work);
	/* On this CPU: there is nothing to order. */
	while (!READ_ONCE(interrupt.done))
		cpu_relax();
	/* Its last words. */
	while (irq_work_is_busy(&interrupt.work))
		cpu_relax();
}

/* Two events, of which the second is written while the first is reserved. */
static void write_nested(struct test *test, int cpu, bool discard)
{
	struct account *account = &test->accounts[cpu];
	u64 n = account->next++;
	struct relay_slot slot;
	struct relay_event_padded *event;
	int error = relay_event_padded_reserve(test->chan, 0, &slot);

	if (error) {
		count(account, error);
		return;
	}
	event = slot.data;
	event->cpu = cpu;
	event->n = n;
	event->a = n * 3;
	event->b = n * 5;
	event->c = n * 7;
	/* With the locking scheme, too: a reservation does not keep the lock. */
	write_next_interrupted(test, cpu);
	if (discard) {
		relay_discard(&slot);
	} else {
		relay_commit(&slot);
		account->written++;
	}
}

static int write_rounds(void *data)
{
	struct test *test = data;
	int cpu = raw_smp_processor_id();

	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < KINDS; i++)
			write_next(test, cpu);
		write_next_interrupted(test, cpu);
		write_nested(test, cpu, false);
		write_nested(test, cpu, true);
		count(&test->accounts[cpu], relay_event_empty(test->chan));
	}
	return 0;
}

/* Until some are refused, on each CPU another number. */
static int write_too_many(void *data)
{
	struct test *test = data;
	int cpu = raw_smp_processor_id();
	struct account *account = &test->accounts[cpu];
	u64 enough = account->refused + 10 + cpu;

	while (account->refused < enough)
		write_next(test, cpu);
	return 0;
}

static int write_few(void *data)
{
	for (int i = 0; i < 20; i++)
		write_next(data, raw_smp_processor_id());
	return 0;
}

/* More than the buffer holds, several times. */
static int write_laps(void *data)
{
	for (int i = 0; i < 1500; i++)
		write_next(data, raw_smp_processor_id());
	return 0;
}

static int write_blobs(void *data)
{
	struct test *test = data;
	struct account *account = &test->accounts[raw_smp_processor_id()];
	char text[40];

	for (int i = 0; i < 100; i++) {
		u64 n = account->next++;
		int len = snprintf(text, sizeof(text), "%.*sblob %llu", (int)(n % 9),
				   "--------", n);
		struct relay_slot slot;

		switch (n % 3) {
		case 0:
			count(account, relay_write(test->chan, text, len));
			break;
		case 1:
			count(account, relay_write_event(test->chan, 0, text, len));
			break;
		case 2:
			if (!relay_reserve(test->chan, len, &slot)) {
				memcpy(slot.data, text, len);
				relay_commit(&slot);
				account->written++;
			}
			break;
		}
	}
	return 0;
}

static void on_each_cpu_of(struct test *test, int (*f)(void *))
{
	int cpu;

	if (!test->chan)
		return;
	cpus_read_lock();
	for_each_online_cpu(cpu)
		smp_call_on_cpu(cpu, f, test, false);
	cpus_read_unlock();
}

static struct test *stormed;
static struct work_struct storms[MAX_CPUS];

static void storm(struct work_struct *work)
{
	int cpu = raw_smp_processor_id();

	for (int i = 0; i < 3000; i++) {
		write_next(stormed, cpu);
		if (i % 64 == 0)
			cond_resched();
	}
}

/* On all CPUs at once. */
static void storm_all(struct test *test)
{
	int cpu;

	if (!test->chan)
		return;
	stormed = test;
	cpus_read_lock();
	for_each_online_cpu(cpu) {
		INIT_WORK(&storms[cpu], storm);
		schedule_work_on(cpu, &storms[cpu]);
	}
	for_each_online_cpu(cpu)
		flush_work(&storms[cpu]);
	cpus_read_unlock();
}

static int write_at_last(void *data)
{
	struct test *test = data;
	int cpu = raw_smp_processor_id();
	struct account *account = &test->accounts[cpu];
	u64 enough = account->written + 5;

	while (account->written < enough) {
		write_next(test, cpu);
		usleep_range(1000, 2000);
	}
	return 0;
}

static int set_stage(const char *value, const struct kernel_param *param)
{
	unsigned int stage;
	int error = kstrtouint(value, 0, &stage);

	if (error)
		return error;
	switch (stage) {
	case 1:
		for (int i = ALL; i <= TSC; i++)
			on_each_cpu_of(&tests[i], write_rounds);
		on_each_cpu_of(&tests[FULL], write_too_many);
		on_each_cpu_of(&tests[LAPPED], write_few);
		on_each_cpu_of(&tests[BLOB], write_blobs);
		for (int i = MERGED; i <= MERGED_LAPPED; i++)
			storm_all(&tests[i]);
		/* Faster than anybody reads. */
		on_each_cpu_of(&tests[MERGED], write_too_many);
		on_each_cpu_of(&tests[MERGED_TSC], write_too_many);
		return 0;
	case 2:		/* something was read meanwhile */
		on_each_cpu_of(&tests[FULL], write_few);
		on_each_cpu_of(&tests[FULL], write_too_many);
		on_each_cpu_of(&tests[LAPPED], write_laps);
		for (int i = MERGED; i <= MERGED_LAPPED; i++)
			on_each_cpu_of(&tests[i], write_at_last);
		return 0;
	}
	return -EINVAL;
}

module_param_call(stage, set_stage, NULL, NULL, 0200);

/* "CHANNEL CPU NEXT WRITTEN REFUSED" for each. */
static int get_accounts(char *to, const struct kernel_param *param)
{
	int len = 0, cpu;

	for (struct test *test = tests; test < tests + TESTS; test++) {
		for_each_online_cpu(cpu) {
			const struct account *account = &test->accounts[cpu];

			len += scnprintf(to + len, PAGE_SIZE - len, "%s %d %llu %llu %llu\n",
					 test->path + 4, cpu, account->next, account->written,
					 account->refused);
		}
	}
	return len;
}

module_param_call(accounts, NULL, get_accounts, NULL, 0400);

static bool expect(const char *what, long got, long wanted)
{
	if (got != wanted)
		pr_err("%s: %ld instead of %ld\n", what, got, wanted);
	return got == wanted;
}

#define EXPECT(what, wanted)	expect(#what, what, wanted)

/* relay_open() of what cannot be. */
static bool refuses(u32 flags, const struct relay_schema *schema, u32 reserve)
{
	const struct rchan_attr attr = {
		.size = sizeof(attr),
		.flags = flags,
		.schema = schema,
		.start_reserve = reserve,
	};
	struct rchan *chan = relay_open("ctf/refused", &attr);

	if (!IS_ERR(chan))
		relay_close(chan);
	return EXPECT(PTR_ERR_OR_ZERO(chan), -EINVAL);
}

static bool refuses_schema(struct relay_schema schema)
{
	return refuses(RELAY_FORMAT_RECORDS, &schema, 0);
}

static bool refuses_attributes(void)
{
	static const struct relay_event_type good = { "e", "u32 _a; " };
	static const struct relay_event_type bad_name = { "\"", "" };
	static const struct relay_event_type bad_fields = { "e", "u32 _\x80; " };
	static const struct relay_event_type no_fields = { "e", NULL };

	return refuses(RELAY_FORMAT_RAW, &test_schema, 0) && refuses(0, &test_schema, 0) &&
	       refuses(RELAY_FORMAT_RECORDS | RELAY_FORMAT_RAW, NULL, 0) &&
	       refuses(RELAY_FORMAT_RECORDS | RELAY_TIMESTAMP_NONE, &test_schema, 0) &&
	       refuses(RELAY_FORMAT_RECORDS, &test_schema, 8) &&
	       refuses_schema((struct relay_schema) { "s", &good, 0 }) &&
	       refuses_schema((struct relay_schema) { "s", &good, 4097 }) &&
	       refuses_schema((struct relay_schema) { "s", NULL, 1 }) &&
	       refuses_schema((struct relay_schema) { "s", &good, 1, .reserved = 1 }) &&
	       refuses_schema((struct relay_schema) { "", &good, 1 }) &&
	       refuses_schema((struct relay_schema) { NULL, &good, 1 }) &&
	       refuses_schema((struct relay_schema) { "s", &bad_name, 1 }) &&
	       refuses_schema((struct relay_schema) { "s", &bad_fields, 1 }) &&
	       refuses_schema((struct relay_schema) { "s", &no_fields, 1 });
}

/* Writes that cannot be, and are counted nowhere. */
static bool refuses_writes(void)
{
	struct kvec part = { "x", 1 };
	struct relay_slot slot;
	struct rchan *chan = tests[ALL].chan, *blob = tests[BLOB].chan;
	struct rchan *raw = relay_open("ctf/raw", NULL);
	bool fine;

	if (IS_ERR(raw))
		return false;
	fine = EXPECT(relay_write(chan, "x", 1), -EINVAL) &&
	       EXPECT(relay_writev(chan, &part, 1), -EINVAL) &&
	       EXPECT(relay_write_delta(chan, "x", 1, -1, NULL), -EINVAL) &&
	       EXPECT(relay_write_wait(chan, "x", 1, 0), -EINVAL) &&
	       EXPECT(relay_reserve(chan, 1, &slot), -EINVAL) &&
	       EXPECT(relay_write_event(chan, test_schema.n_types, "x", 1), -EINVAL) &&
	       EXPECT(relay_reserve_event(chan, ~0u, 1, &slot), -EINVAL) &&
	       EXPECT(relay_write_event(blob, 1, "x", 1), -EINVAL) &&
	       EXPECT(relay_write_event(raw, 0, "x", 1), -EINVAL) &&
	       EXPECT(relay_reserve_event(raw, 0, 1, &slot), -EINVAL) &&
	       EXPECT(!relay_metadata(raw), true) &&
	       EXPECT(strncmp(relay_metadata(chan), "/* CTF 1.8 */\n", 14), 0) &&
	       EXPECT(!strstr(relay_metadata(chan), "name = \"numbers\"; id = 0;"), false);
	relay_close(raw);
	return fine;
}

static void close_all(void)
{
	for (struct test *test = tests; test < tests + TESTS; test++)
		relay_close(test->chan);
}

static int __init events_init(void)
{
	bool fine;

	for (struct test *test = tests; test < tests + TESTS; test++) {
		const struct rchan_attr attr = {
			.size = sizeof(attr),
			.flags = RELAY_FORMAT_RECORDS | test->flags,
			.subbuf_size = 4096,
			.n_subbufs = test->n_subbufs,
			.schema = test->schema,
		};

		test->chan = relay_open(test->path, &attr);
		/* Not every kernel knows how fast the counter runs. */
		if (test->chan == ERR_PTR(-EOPNOTSUPP) &&
		    (test->flags & RELAY_TIMESTAMP_TSC))
			test->chan = NULL;
		if (IS_ERR(test->chan)) {
			int error = PTR_ERR(test->chan);

			pr_err("%s: error %d\n", test->path, error);
			close_all();
			return error;
		}
	}
	fine = refuses_attributes() && refuses_writes();
	if (!fine)
		close_all();
	return fine ? 0 : -EIO;
}
module_init(events_init);

static void __exit events_exit(void)
{
	close_all();
}
module_exit(events_exit);

MODULE_DESCRIPTION("relayfs: events that prove themselves");
MODULE_LICENSE("GPL");
