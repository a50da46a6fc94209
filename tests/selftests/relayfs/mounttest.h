/* SPDX-License-Identifier: GPL-2.0 */
/* What tests of mounts and of permissions share: mounts, options, and other users. */
#ifndef MOUNTTEST_H
#define MOUNTTEST_H

#include <grp.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/wait.h>

#include "relaytest.h"

/* Who owns the tree in these tests, and somebody else. */
#define OWNER	7
#define GROUP	9
#define OTHER	11

/* Changes options of all mounts; 0, or -errno. */
static inline int remount(const char *options)
{
	return mount("relayfs", MOUNT, "relayfs", MS_REMOUNT, options) ? -errno : 0;
}

static inline int mount_at(const char *where, unsigned long flags, const char *options)
{
	return mount("relayfs", where, "relayfs", flags, options) ? -errno : 0;
}

/* The options of the mount there, as /proc/mounts has them; "" if there is none. */
static inline const char *options_of(const char *where)
{
	static char options[256];
	char line[1024], place[256], now[256];
	FILE *f = fopen("/proc/self/mounts", "re");

	options[0] = 0;
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %255s %*s %255s", place, now) == 2 && !strcmp(place, where))
			snprintf(options, sizeof(options), "%s", now);
	if (f)
		fclose(f);
	return options;
}

/* Runs it in a child; what it returned, modulo 256. */
static inline int in_child(int (*run)(const void *), const void *argument)
{
	int status;
	pid_t child = fork();

	if (!child)
		_exit(run(argument));
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return 255;
	return WEXITSTATUS(status);
}

struct user {
	uid_t uid;
	gid_t gid;
};

/* This process is that user's from now on, for good; 0 is root. */
static inline int become(const struct user *user)
{
	return setgroups(0, NULL) || setresgid(user->gid, user->gid, user->gid) ||
	       setresuid(user->uid, user->uid, user->uid);
}

#endif
