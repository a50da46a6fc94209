// SPDX-License-Identifier: GPL-2.0
/*
 * Threads of one program that map one open file all at once, cannot unmap parts of it, are refused,
 * and make children, while the buffer is replaced again and again. What is mapped is always whole,
 * and in the end no memory is kept.
 */

#include <pthread.h>
#include <sys/wait.h>
#include "mapped.h"
#include "resizetest.h"

#define THREADS	6

FIXTURE(threads)
{
	int dev, fd;
	int64_t used;
};

FIXTURE_SETUP(threads)
{
	struct resize_open o = {
		.subbuf_size = 4096, .n_subbufs = 4, .flags = RELAY_MODE_NO_OVERWRITE,
	};

	self->dev = resize_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->used = parameter_get("used_bytes");
	ASSERT_EQ(resized_open(self->dev, o), 0);
	/* So that the consumer page can be mapped, too. */
	self->fd = file_open(NAME ".d/cpu0", O_RDWR | O_EXCL | O_NONBLOCK);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(threads)
{
}

struct mapper {
	pthread_t thread;
	unsigned int rnd;
	int fd;
	bool *over;
	unsigned long mapped, too_late, children;
	const char *wrong;
};

static bool is(const void *map, int error)
{
	return map == MAP_FAILED && errno == error;
}

/* What lies where nothing is mapped: a child has no part in its parent's mapping. */
static bool is_in_child(void *map)
{
	unsigned char here;
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(mincore(map, PAGE, &here) == 0 || errno != ENOMEM);
	return waitpid(pid, &status, 0) != pid || status;
}

static void map_all(struct mapper *m)
{
	struct mapped all = { .fd = m->fd };
	const struct relayfs_meta *meta;

	if (!mapped_map(&all)) {
		/* It was replaced by one of another size since it told its own. */
		if (all.meta == MAP_FAILED && errno == EINVAL)
			m->too_late++;
		else
			m->wrong = "a mapping failed";
		return;
	}
	meta = all.meta;
	if (meta->magic != RELAYFS_MAGIC ||
	    meta->data_offset + meta->subbuf_size * meta->n_subbufs != all.len)
		m->wrong = "a mapping of another buffer";
	LOAD(all.map[all.len - 1]);
	if (rand_r(&m->rnd) % 8 == 0) {
		m->children++;
		if (is_in_child((void *)all.map))
			m->wrong = "a child inherits";
	}
	/* It goes as a whole, or stays. */
	if (rand_r(&m->rnd) % 2 &&
	    !(munmap((void *)(all.map + PAGE), all.len - PAGE) == -1 && errno == EINVAL))
		m->wrong = "a part was unmapped";
	if (meta->magic != RELAYFS_MAGIC)
		m->wrong = "half a mapping";
	mapped_unmap(&all);
	m->mapped++;
}

static void map_page(struct mapper *m)
{
	struct relayfs_consumer *page = map_consumer(m->fd, PROT_READ | PROT_WRITE, MAP_SHARED);

	if (page == MAP_FAILED) {
		m->wrong = "no consumer page";
		return;
	}
	STORE(page->position, 0);
	munmap(page, PAGE);
}

static void be_refused(struct mapper *m)
{
	if (!is(mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, m->fd, 0), EINVAL) ||
	    !is(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, m->fd, PAGE), ENXIO) ||
	    !is(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0), EPERM))
		m->wrong = "what must be refused is not";
}

static void *mapper_run(void *arg)
{
	struct mapper *m = arg;

	pin_to_cpu(m->rnd % cpus());
	while (!m->wrong && !(LOAD(*m->over) && m->mapped))
		switch (rand_r(&m->rnd) % 4) {
		case 0:
			map_page(m);
			break;
		case 1:
			be_refused(m);
			break;
		default:
			map_all(m);
		}
	return NULL;
}

/* True if all buffers give back what they have: with the last mapping, which may take a moment. */
static bool is_given_back(int64_t used)
{
	for (int i = 0; i < 30000 && parameter_get("used_bytes") != used; i++)
		usleep(1000);
	return parameter_get("used_bytes") == used;
}

TEST_F(threads, map_what_is_replaced)
{
	static const struct { uint64_t size; uint32_t n; } shapes[] = {
		{ 8192, 8 }, { 4096, 16 }, { 16384, 2 }, { 4096, 4 },
	};
	struct mapper mappers[THREADS];
	static unsigned char buf[65536];
	bool over = false;

	for (int i = 0; i < THREADS; i++) {
		mappers[i] = (struct mapper){ .rnd = i, .fd = self->fd, .over = &over };
		ASSERT_EQ(pthread_create(&mappers[i].thread, NULL, mapper_run, &mappers[i]), 0);
	}
	for (uint32_t i = 0; i < scaled(400); i++) {
		ASSERT_EQ(resized_write(self->dev, i * 5, 5), 5);
		ASSERT_EQ(resized_to(self->dev, shapes[i % 4].size, shapes[i % 4].n), 0);
		ASSERT_EQ(read_now(self->fd, buf, 0, sizeof(buf), 4096), 5 * RECORD);
		ASSERT_TRUE(are_records(buf, 5 * RECORD, i * 5, 5));
	}
	STORE(over, true);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(mappers[i].thread, NULL);
		EXPECT_STREQ(mappers[i].wrong ?: "nothing", "nothing");
		TH_LOG("%lu mapped, %lu too late, %lu children", mappers[i].mapped,
		       mappers[i].too_late, mappers[i].children);
	}
	close(self->fd);
	close(self->dev);
	EXPECT_TRUE(is_given_back(self->used));
}

TEST_HARNESS_MAIN
