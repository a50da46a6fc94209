// SPDX-License-Identifier: GPL-2.0
/* Options of mounts by either interface, and what is said of bad ones. */

#include <sys/klog.h>

#include "mount_rig.h"

/* The next message of a context; "" if there is none. */
static const char *fs_log(int fs)
{
	static char text[256];
	ssize_t n = read(fs, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = 0;
	return text;
}

TEST_F(mount, a_remount_changes_what_it_names_and_all_is_shown)
{
	struct stat st;

	EXPECT_EQ(remount("mode=0750,uid=7,gid=9,max_bytes=64m"), 0);
	EXPECT_TRUE(shown(MOUNT, "mode=750"));
	EXPECT_TRUE(shown(MOUNT, "uid=7"));
	EXPECT_TRUE(shown(MOUNT, "gid=9"));
	EXPECT_TRUE(shown(MOUNT, "max_bytes=67108864"));
	EXPECT_EQ(parameter_get("max_bytes"), 64 << 20);
	ASSERT_EQ(stat(MOUNT "/m", &st), 0);
	EXPECT_EQ(st.st_mode & 07777, 0440);
	EXPECT_EQ(st.st_uid, 7);
	EXPECT_EQ(st.st_gid, 9);
	EXPECT_EQ(remount("gid=10"), 0);
	EXPECT_TRUE(shown(MOUNT, "mode=750"));
	EXPECT_TRUE(shown(MOUNT, "gid=10"));
	EXPECT_TRUE(shown(MOUNT, "max_bytes=67108864"));
	/* What is as ever is not shown. */
	EXPECT_EQ(remount("mode=0700,uid=0,gid=0"), 0);
	EXPECT_EQ(parameter_set("max_bytes", self->limit), 0);
	EXPECT_EQ(strstr(options_of(MOUNT), "mode="), NULL);
	EXPECT_EQ(strstr(options_of(MOUNT), "id="), NULL);
	EXPECT_EQ(strstr(options_of(MOUNT), "max_bytes="), NULL);
}

TEST_F(mount, max_bytes_is_the_limit_of_all_buffers)
{
	char options[64];
	int64_t used = parameter_get("used_bytes");

	snprintf(options, sizeof(options), "max_bytes=%lld", (long long)used);
	ASSERT_EQ(remount(options), 0);
	EXPECT_EQ(chan_open(self->dev, "more", PAGE, 2, 0), -ENOMEM);
	EXPECT_FALSE(file_exists("more"));
	/* A mount says it as well as a remount. */
	ASSERT_EQ(mount_at(self->there, 0, "max_bytes=1g"), 0);
	EXPECT_EQ(parameter_get("max_bytes"), 1 << 30);
	EXPECT_GE(chan_open(self->dev, "more", PAGE, 2, 0), 0);
}

FIXTURE(bytes) { };

FIXTURE_VARIANT(bytes)
{
	const char *text;
	int64_t number;		/* -1: refused */
};

FIXTURE_SETUP(bytes) { }
FIXTURE_TEARDOWN(bytes) { }

#define BYTES(name, ...) FIXTURE_VARIANT_ADD(bytes, name) { __VA_ARGS__ }
BYTES(plain, "40960", 40960);
BYTES(part_of_a_page, "40961", 40960);
BYTES(nothing_at_all, "0", 0);
BYTES(kilo, "12k", 12 << 10);
BYTES(mega, "3M", 3 << 20);
BYTES(giga, "1g", 1 << 30);
BYTES(tera, "2T", 2ll << 40);
BYTES(hexadecimal, "0x4000", 0x4000);
BYTES(hexadecimal_kilo, "0x1cK", 0x1c << 10);
BYTES(hexadecimal_that_ends_like_a_suffix, "0x1000e", 0x10000);
BYTES(octal, "020000", 020000);
BYTES(empty, "", -1);
BYTES(a_word, "much", -1);
BYTES(a_suffix_alone, "k", -1);
BYTES(two_suffixes, "1kk", -1);
BYTES(negative, "-1", -1);
BYTES(with_a_space, "1 M", -1);
BYTES(hexadecimal_of_nothing, "0x", -1);
BYTES(a_number_too_large, "99999999999999999999", -1);
BYTES(a_shift_too_large, "16E", -1);

TEST_F(bytes, are_what_memparse_knows)
{
	int64_t limit = parameter_get("max_bytes");
	char options[64];

	snprintf(options, sizeof(options), "max_bytes=%s", variant->text);
	EXPECT_EQ(remount(options), variant->number < 0 ? -EINVAL : 0);
	EXPECT_EQ(parameter_get("max_bytes"), variant->number < 0 ? limit : variant->number);
	/* The parameter of the module has the same rules. */
	EXPECT_EQ(parameter_set("max_bytes", limit), 0);
	EXPECT_EQ(parameter_set_text("max_bytes", variant->text),
		  variant->number < 0 ? -EINVAL : 0);
	EXPECT_EQ(parameter_get("max_bytes"), variant->number < 0 ? limit : variant->number);
	EXPECT_EQ(parameter_set("max_bytes", limit), 0);
}

FIXTURE(refused) { };

FIXTURE_VARIANT(refused)
{
	const char *key, *value, *says;
};

FIXTURE_SETUP(refused) { }
FIXTURE_TEARDOWN(refused) { }

#define REFUSED(name, ...) FIXTURE_VARIANT_ADD(refused, name) { __VA_ARGS__ }
REFUSED(a_mode_that_is_not_octal, "mode", "0799", "relayfs: Bad value for 'mode'");
REFUSED(a_mode_beyond_0777, "mode", "4755", "relayfs: Bad value for 'mode': 4755 is beyond 0777");
REFUSED(a_user_by_name, "uid", "root", "relayfs: Bad value for 'uid'");
REFUSED(no_user, "uid", "4294967295", "relayfs: Invalid uid '4294967295'");
REFUSED(a_group_by_name, "gid", "root", "relayfs: Bad value for 'gid'");
REFUSED(no_number_of_bytes, "max_bytes", "1x",
	"relayfs: Bad value for 'max_bytes': 1x is no number of bytes");
REFUSED(no_value, "max_bytes", NULL, "relayfs: Bad value for 'max_bytes'");
REFUSED(an_unknown_option, "bogus", "1", "relayfs: Unknown parameter 'bogus'");

TEST_F(refused, and_the_log_tells)
{
	static char kernel_log[1 << 18];
	char options[64];
	int fs = fs_open(), n;

	ASSERT_GE(fs, 0);
	EXPECT_EQ(fs_config(fs, variant->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG,
			    variant->key, variant->value), -EINVAL);
	EXPECT_EQ(strncmp(fs_log(fs), "e ", 2), 0);
	close(fs);
	fs = fs_open();
	fs_config(fs, variant->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, variant->key,
		  variant->value);
	EXPECT_NE(strstr(fs_log(fs), variant->says), NULL) TH_LOG("'%s'", variant->says);
	close(fs);

	/* mount(2) has no log of its own. */
	klogctl(5, NULL, 0);
	snprintf(options, sizeof(options), variant->value ? "%s=%s" : "%s", variant->key,
		 variant->value);
	EXPECT_EQ(remount(options), -EINVAL);
	n = klogctl(3, kernel_log, sizeof(kernel_log) - 1);
	ASSERT_GT(n, 0);
	kernel_log[n] = 0;
	EXPECT_NE(strstr(kernel_log, variant->says), NULL) TH_LOG("'%s'", variant->says);
}

TEST_F(mount, by_the_newer_interface)
{
	int fs = fs_open(), there, pick;
	struct stat st;

	ASSERT_GE(fs, 0);
	EXPECT_EQ(fs_config(fs, FSCONFIG_SET_STRING, "mode", "0711"), 0);
	EXPECT_EQ(fs_config(fs, FSCONFIG_SET_STRING, "uid", "7"), 0);
	ASSERT_EQ(fs_config(fs, FSCONFIG_CMD_CREATE, NULL, NULL), 0);
	there = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	ASSERT_GE(there, 0);
	close(fs);
	ASSERT_EQ(fstat(there, &st), 0);
	EXPECT_EQ(st.st_mode & 07777, 0711);
	EXPECT_EQ(st.st_uid, 7);
	/* It is a mount before it is anywhere. */
	EXPECT_EQ(fstatat(there, "m", &st, 0), 0);
	EXPECT_EQ(st.st_uid, 7);
	ASSERT_EQ(syscall(SYS_move_mount, there, "", AT_FDCWD, self->there,
			  MOVE_MOUNT_F_EMPTY_PATH), 0);
	close(there);
	EXPECT_TRUE(shown(self->there, "mode=711"));

	pick = syscall(SYS_fspick, AT_FDCWD, self->there, FSPICK_CLOEXEC);
	ASSERT_GE(pick, 0);
	EXPECT_EQ(fs_config(pick, FSCONFIG_SET_STRING, "mode", "0755"), 0);
	/* Nothing changes before it is said. */
	EXPECT_TRUE(shown(self->there, "mode=711"));
	EXPECT_EQ(fs_config(pick, FSCONFIG_CMD_RECONFIGURE, NULL, NULL), 0);
	EXPECT_TRUE(shown(self->there, "mode=755"));
	EXPECT_TRUE(shown(self->there, "uid=7"));
	close(pick);
}

TEST_F(mount, one_tree_that_cannot_be_had_anew)
{
	int fs = fs_open();

	ASSERT_GE(fs, 0);
	EXPECT_EQ(fs_config(fs, FSCONFIG_CMD_CREATE_EXCL, NULL, NULL), -EBUSY);
	close(fs);
}

TEST_HARNESS_MAIN
