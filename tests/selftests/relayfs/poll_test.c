// SPDX-License-Identifier: GPL-2.0
/* poll(2) and epoll on a buffer's file and on the whole channel. */

#include <pthread.h>
#include <sys/epoll.h>
#include "relaytest.h"

FIXTURE(poll)
{
	int dev, id, fd;
};

FIXTURE_VARIANT(poll)
{
	const char *file;
	uint32_t delivery;
};

FIXTURE_VARIANT_ADD(poll, buffer_bulk)
{
	.file = "p.d/cpu0", .delivery = RELAY_DELIVERY_BULK,
};

FIXTURE_VARIANT_ADD(poll, buffer_packet)
{
	.file = "p.d/cpu0", .delivery = RELAY_DELIVERY_PACKET,
};

FIXTURE_VARIANT_ADD(poll, whole_bulk)
{
	.file = "p", .delivery = RELAY_DELIVERY_BULK,
};

FIXTURE_VARIANT_ADD(poll, whole_packet)
{
	.file = "p", .delivery = RELAY_DELIVERY_PACKET,
};

FIXTURE_SETUP(poll)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->id = chan_open(self->dev, "p", 4096, 4, RELAY_MODE_NO_OVERWRITE | variant->delivery);
	ASSERT_GE(self->id, 0);
	self->fd = file_open(variant->file, O_RDONLY | O_NONBLOCK);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(poll)
{
	close(self->fd);
	close(self->dev);
}

static int poll_for(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLRDNORM };

	return poll(&p, 1, ms) > 0 ? p.revents : 0;
}

TEST_F(poll, in_while_there_is_data_hup_when_drained)
{
	char b[8];

	EXPECT_EQ(poll_for(self->fd, 0), 0);
	chan_write(self->dev, self->id, "ab", 2);
	EXPECT_EQ(poll_for(self->fd, 0), POLLIN | POLLRDNORM);
	EXPECT_EQ(read(self->fd, b, 1), 1);
	EXPECT_EQ(poll_for(self->fd, 0), POLLIN | POLLRDNORM);
	EXPECT_EQ(read(self->fd, b, 8), 1);
	EXPECT_EQ(poll_for(self->fd, 0), 0);
	chan_write(self->dev, self->id, "c", 1);
	EXPECT_EQ(chan_close(self->dev, self->id), 0);
	EXPECT_EQ(poll_for(self->fd, 0), POLLIN | POLLRDNORM);
	EXPECT_EQ(read(self->fd, b, 8), 1);
	EXPECT_EQ(poll_for(self->fd, 0), POLLHUP);
}

struct late {
	int dev, id;
	bool close;
};

static void *act_late(void *arg)
{
	struct late *l = arg;

	usleep(150 * 1000);
	if (l->close)
		chan_close(l->dev, l->id);
	else
		chan_write(l->dev, l->id, "x", 1);
	return NULL;
}

TEST_F(poll, waits_for_data)
{
	struct late late = { .dev = self->dev, .id = self->id };
	pthread_t thread;

	ASSERT_EQ(pthread_create(&thread, NULL, act_late, &late), 0);
	EXPECT_EQ(poll_for(self->fd, 10000), POLLIN | POLLRDNORM);
	pthread_join(thread, NULL);
}

TEST_F(poll, waits_for_the_end)
{
	struct late late = { .dev = self->dev, .id = self->id, .close = true };
	pthread_t thread;

	ASSERT_EQ(pthread_create(&thread, NULL, act_late, &late), 0);
	EXPECT_EQ(poll_for(self->fd, 10000), POLLHUP);
	pthread_join(thread, NULL);
}

TEST_F(poll, epoll_edges)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	char b[8];

	ASSERT_GE(ep, 0);
	ASSERT_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, self->fd, &event), 0);
	EXPECT_EQ(epoll_wait(ep, &event, 1, 0), 0);
	for (int i = 0; i < 3; i++) {
		chan_write(self->dev, self->id, "x", 1);
		EXPECT_EQ(epoll_wait(ep, &event, 1, 10000), 1);
		EXPECT_EQ(event.events, (uint32_t)EPOLLIN);
		EXPECT_EQ(epoll_wait(ep, &event, 1, 0), 0);
		EXPECT_EQ(read(self->fd, b, 8), 1);
	}
	close(ep);
}

/* A writer and a reader hand a token back and forth; a lost wake-up would hang. */
TEST_F(poll, ping_pong)
{
	int back = chan_open(self->dev, "back", 4096, 4,
			     RELAY_MODE_NO_OVERWRITE | RELAY_DELIVERY_PACKET);
	int rounds = variant->delivery == RELAY_DELIVERY_PACKET ? 2000 : 20;
	int back_fd = file_open("back.d/cpu0", O_RDONLY);
	char b[8];
	pid_t pid;

	ASSERT_GE(back_fd, 0);
	pid = fork();
	if (!pid) {
		for (int i = 0; i < rounds; i++) {
			if (poll_for(self->fd, 10000) != (POLLIN | POLLRDNORM) ||
			    read(self->fd, b, 8) != 1 || chan_write(self->dev, back, "y", 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	for (int i = 0; i < rounds; i++) {
		ASSERT_EQ(chan_write(self->dev, self->id, "x", 1), 1);
		ASSERT_EQ(read(back_fd, b, 8), 1);
	}
	EXPECT_EQ(waitpid(pid, &rounds, 0), pid);
	EXPECT_EQ(rounds, 0);
	close(back_fd);
}

TEST_HARNESS_MAIN
