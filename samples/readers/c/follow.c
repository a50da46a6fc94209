// SPDX-License-Identifier: GPL-2.0

/*
 * Prints the data of a channel, of all CPUs, as they come, and what was lost in the end:
 *
 *	follow /sys/kernel/relay/CHANNEL
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/relayfs.h>

int main(int argc, char **argv)
{
	static char data[1 << 16];
	struct relayfs_lost lost;
	struct pollfd wait = { .events = POLLIN };
	ssize_t n;

	wait.fd = open(argv[argc - 1], O_RDONLY | O_NONBLOCK);
	if (wait.fd < 0)
		return perror(argv[argc - 1]), 1;
	/* 0 is the end: the channel was closed, and all was read. */
	while ((n = read(wait.fd, data, sizeof(data)))) {
		if (n > 0)
			fwrite(data, 1, n, stdout);
		else if (errno != EAGAIN)
			return perror("read"), 1;
		else if (fflush(stdout) || poll(&wait, 1, -1) < 0)
			return perror("poll"), 1;
	}
	if (ioctl(wait.fd, RELAY_IOC_GET_LOST, &lost))
		return perror("RELAY_IOC_GET_LOST"), 1;
	if (lost.records)
		fprintf(stderr, "%llu records lost\n", lost.records);
	return 0;
}
