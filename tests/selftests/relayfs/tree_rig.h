/* SPDX-License-Identifier: GPL-2.0 */
/* A channel two directories below the root; at the end mode and owner of the tree are as before. */
#ifndef TREE_RIG_H
#define TREE_RIG_H

#include "mounttest.h"

FIXTURE(tree)
{
	int dev, id;
};

FIXTURE_SETUP(tree)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	self->id = chan_open_attr(self->dev, "a/b/t", (struct relaytest_open){
				  .subbuf_size = PAGE, .n_subbufs = 2, .mode = 0600 });
	ASSERT_GE(self->id, 0);
}

FIXTURE_TEARDOWN(tree)
{
	EXPECT_EQ(remount("mode=0700,uid=0,gid=0"), 0);
	close(self->dev);
}

static inline const char *path_of(const char *name)
{
	static char path[2][1280];
	static int last;

	last = !last;
	snprintf(path[last], sizeof(path[last]), MOUNT "/%s", name);
	return path[last];
}

static inline nlink_t links(const char *name)
{
	struct stat st;

	return stat(path_of(name), &st) ? 0 : st.st_nlink;
}

#endif
