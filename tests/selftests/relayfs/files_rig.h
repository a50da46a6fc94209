/* SPDX-License-Identifier: GPL-2.0 */
/* For tests of clients' files: when one is over nobody is inside of any, and none is open. */
#ifndef FILES_RIG_H
#define FILES_RIG_H

#include "filestest.h"

FIXTURE(files)
{
	int dev;
};

FIXTURE_SETUP(files)
{
	self->dev = files_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(files_count(self->dev, FILES_COUNT_OPEN), 0);
}

FIXTURE_TEARDOWN(files)
{
	EXPECT_EQ(files_count(self->dev, FILES_COUNT_LATE), 0);
	EXPECT_EQ(files_count(self->dev, FILES_COUNT_INSIDE), 0);
	EXPECT_EQ(files_count(self->dev, FILES_COUNT_OPEN), 0);
	close(self->dev);
}

#endif
