/* SPDX-License-Identifier: GPL-2.0 */
/* The tests' device, and each allocation may fail. */
#ifndef FAULTTEST_H
#define FAULTTEST_H

#include "fault.h"

FIXTURE(fault)
{
	int dev;
};

FIXTURE_SETUP(fault)
{
	if (!fault_injection_available())
		SKIP(return, "the kernel has no fault injection");
	ASSERT_EQ(fault_set_up(), 0);
	ASSERT_EQ(fault_memory_only(), 0);
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
}

FIXTURE_TEARDOWN(fault)
{
	close(self->dev);
}

#endif
