// SPDX-License-Identifier: GPL-2.0
/* The clock that not every machine has. What is to be seen here depends on which this is. */

#include "relaytest.h"

static bool machine_has_tsc(void)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[4096], *word;
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "flags", 5))
			continue;
		for (word = strtok(line, " \t\n:"); word && !found; word = strtok(NULL, " \t\n"))
			found = !strcmp(word, "tsc");
	}
	if (f)
		fclose(f);
	return found;
}

TEST(a_clock_that_is_not_there_is_refused)
{
	static const uint32_t formats[] = { 0x1000, 0x2000 };	/* bytes and records */
	int dev = test_device(), id;

	ASSERT_GE(dev, 0);
	for (int i = 0; i < 2; i++) {
		const uint32_t flags = RELAY_TIMESTAMP_TSC | formats[i];
		int expected = machine_has_tsc() && !lacks_clock(flags) ? 0 : -EOPNOTSUPP;

		id = chan_open(dev, "tsc", 4096, 2, flags);
		EXPECT_EQ(id < 0 ? id : 0, expected);
		EXPECT_EQ(file_exists("tsc"), !expected);
		if (!expected)
			ASSERT_EQ(chan_close(dev, id), 0);
		id = chan_open(dev, "any", 4096, 2, RELAY_TIMESTAMP_ANY | formats[i]);
		EXPECT_GE(id, 0);
		EXPECT_EQ(chan_close(dev, id), 0);
	}
	close(dev);
}

TEST_HARNESS_MAIN
