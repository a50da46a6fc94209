// SPDX-License-Identifier: GPL-2.0
/*
 * Who may open what: each kind of file, for each kind of user, under each mode of the mount and
 * each way to open. What is expected is worked out here from modes as they are documented, so that
 * neither stat(2) nor the kernel's own checks are taken at their word.
 */

#include "filestest.h"
#include "mounttest.h"

/* A channel with attributes of its own. */
#define OWN_MODE		0624
#define OWN_USER		21
#define OWN_GROUP		22

/* A file and who it is of: modes that follow the mount's are marked. */
#define FOLLOWS_FILE		010000
#define FOLLOWS_DIR		020000

struct entry {
	const char *name;
	mode_t mode;		/* or FOLLOWS_* */
	mode_t dir;		/* of the directory it is in, below the root; 0: none */
	bool own;		/* the directory and it are OWN_USER's and OWN_GROUP's */
	bool directory;
};

static const struct entry entries[] = {
	{ "plain", FOLLOWS_FILE, 0, false, false },
	{ "plain.d", FOLLOWS_DIR, 0, false, true },
	{ "plain.d/cpu0", FOLLOWS_FILE, FOLLOWS_DIR, false, false },
	{ "plain.d/info", FOLLOWS_FILE, FOLLOWS_DIR, false, false },
	{ "events.d/metadata", FOLLOWS_FILE, FOLLOWS_DIR, false, false },
	{ "deep/one", FOLLOWS_FILE, FOLLOWS_DIR, false, false },
	{ "own", OWN_MODE, 0, true, false },
	{ "own.d", 0505, 0, true, true },
	{ "own.d/cpu0", OWN_MODE & 0444, 0505, true, false },
	{ "own.d/info", OWN_MODE & 0444, 0505, true, false },
	{ "clients", FOLLOWS_DIR, 0, false, true },
	{ "clients/file", 0644, FOLLOWS_DIR, false, false },
	{ ".channels", FOLLOWS_FILE, 0, false, false },
};

#define N_ENTRIES (sizeof(entries) / sizeof(*entries))

FIXTURE(permission)
{
	int dev, files, plain;
};

FIXTURE_VARIANT(permission)
{
	mode_t mode;		/* of the mount */
	struct user user;
};

#define WHO(name, bits, ...) FIXTURE_VARIANT_ADD(permission, name) { bits, { __VA_ARGS__ } }
WHO(mode_0700_root, 0700, 0, 0);
WHO(mode_0700_owner, 0700, OWNER, OTHER);
WHO(mode_0700_group, 0700, OTHER, GROUP);
WHO(mode_0700_other, 0700, OTHER, OTHER);
WHO(mode_0700_channels_owner, 0700, OWN_USER, OTHER);
WHO(mode_0750_root, 0750, 0, 0);
WHO(mode_0750_owner, 0750, OWNER, OTHER);
WHO(mode_0750_group, 0750, OTHER, GROUP);
WHO(mode_0750_other, 0750, OTHER, OTHER);
WHO(mode_0750_channels_group, 0750, OTHER, OWN_GROUP);
WHO(mode_0711_owner, 0711, OWNER, OTHER);
WHO(mode_0711_group, 0711, OTHER, GROUP);
WHO(mode_0711_other, 0711, OTHER, OTHER);
WHO(mode_0711_channels_owner, 0711, OWN_USER, OTHER);
WHO(mode_0711_channels_group, 0711, OTHER, OWN_GROUP);
WHO(mode_0755_owner, 0755, OWNER, OTHER);
WHO(mode_0755_other, 0755, OTHER, OTHER);
WHO(mode_0755_channels_owner, 0755, OWN_USER, OTHER);
WHO(mode_0755_channels_group, 0755, OTHER, OWN_GROUP);
WHO(mode_0777_other, 0777, OTHER, OTHER);
WHO(mode_0000_root, 0000, 0, 0);
WHO(mode_0000_owner, 0000, OWNER, GROUP);

FIXTURE_SETUP(permission)
{
	char options[64];

	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	self->files = files_device();
	ASSERT_GE(self->files, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->plain = chan_open(self->dev, "plain", PAGE, 2, 0);
	ASSERT_GE(self->plain, 0);
	ASSERT_GE(chan_open(self->dev, "deep/one", PAGE, 2, 0), 0);
	ASSERT_GE(chan_open(self->dev, "events", PAGE, 2, RELAY_FORMAT_RECORDS), 0);
	ASSERT_GE(chan_open_attr(self->dev, "own", (struct relaytest_open){ .mode = OWN_MODE,
				 .uid = OWN_USER, .gid = OWN_GROUP, .subbuf_size = PAGE }), 0);
	ASSERT_EQ(files_make(self->files, 0, "clients", FILES_IN_ROOT, FILES_DIR), 0);
	ASSERT_EQ(files_make(self->files, 1, "file", 0, FILES_TEXT), 0);
	snprintf(options, sizeof(options), "mode=%o,uid=%d,gid=%d", variant->mode, OWNER, GROUP);
	ASSERT_EQ(remount(options), 0);
}

FIXTURE_TEARDOWN(permission)
{
	EXPECT_EQ(remount("mode=0700,uid=0,gid=0"), 0);
	close(self->files);
	close(self->dev);
}

/* Whether @user has all of @bits (4, 2, 1) of something. */
static bool has(const struct user *user, mode_t mode, bool own, mode_t bits, bool directory)
{
	uid_t uid = own ? OWN_USER : OWNER;
	gid_t gid = own ? OWN_GROUP : GROUP;
	int shift = user->uid == uid ? 6 : user->gid == gid ? 3 : 0;

	/* Root may do all, but run what nobody may. */
	if (!user->uid)
		return directory || !(bits & 1) || mode & 0111;
	return ((mode >> shift) & bits) == bits;
}

static mode_t resolved(mode_t mode, mode_t of_mount)
{
	if (mode == FOLLOWS_FILE)
		return of_mount & 0444;
	return mode == FOLLOWS_DIR ? of_mount : mode;
}

static mode_t bits_of(int flags)
{
	int how = flags & O_ACCMODE;

	return how == O_RDONLY ? 4 : how == O_WRONLY ? 2 : 6;
}

/* What an open(2) comes to: 0, or -errno. */
static int expected(const struct entry *e, mode_t mount, const struct user *user, int flags)
{
	if (!has(user, mount, false, 1, true))
		return -EACCES;
	if (e->dir && !has(user, resolved(e->dir, mount), e->own, 1, true))
		return -EACCES;
	if (e->directory && bits_of(flags) & 2)
		return -EISDIR;
	return has(user, resolved(e->mode, mount), e->own, bits_of(flags), e->directory) ?
		0 : -EACCES;
}

struct attempt {
	const struct user *user;
	const char *name;
	int flags;
};

static int try_open(const void *argument)
{
	const struct attempt *a = argument;
	int fd;

	if (become(a->user))
		return 255;
	fd = file_open(a->name, a->flags);
	return fd < 0 ? errno : 0;
}

TEST_F(permission, is_as_modes_and_owners_say)
{
	static const int flags[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY | O_EXCL,
				     O_WRONLY | O_APPEND };

	for (size_t i = 0; i < N_ENTRIES; i++) {
		for (size_t j = 0; j < sizeof(flags) / sizeof(*flags); j++) {
			const struct attempt a = { &variant->user, entries[i].name, flags[j] };
			int want = -expected(&entries[i], variant->mode, &variant->user, flags[j]);

			EXPECT_EQ(in_child(try_open, &a), want)
				TH_LOG("%s, flags %o", entries[i].name, flags[j]);
		}
	}
}

struct look {
	const struct user *user;
	const char *name;
	int how;
};

static int try_access(const void *argument)
{
	const struct look *l = argument;
	char path[128];

	if (become(l->user))
		return 255;
	snprintf(path, sizeof(path), MOUNT "/%s", l->name);
	return access(path, l->how) ? errno : 0;
}

TEST_F(permission, is_what_access_says)
{
	for (size_t i = 0; i < N_ENTRIES; i++) {
		const struct entry *e = &entries[i];
		const struct look l[] = { { &variant->user, e->name, R_OK },
					  { &variant->user, e->name, X_OK } };
		int may_read = -expected(e, variant->mode, &variant->user, O_RDONLY);
		bool may_go = has(&variant->user, variant->mode, false, 1, true) &&
			(!e->dir || has(&variant->user, resolved(e->dir, variant->mode), e->own, 1,
					true)) &&
			has(&variant->user, resolved(e->mode, variant->mode), e->own, 1,
			    e->directory);

		EXPECT_EQ(in_child(try_access, &l[0]), may_read) TH_LOG("%s", e->name);
		EXPECT_EQ(in_child(try_access, &l[1]), may_go ? 0 : EACCES) TH_LOG("%s", e->name);
	}
}

TEST_F(permission, is_shown_by_stat)
{
	for (size_t i = 0; i < N_ENTRIES; i++) {
		const struct entry *e = &entries[i];
		char path[128];
		struct stat st;

		snprintf(path, sizeof(path), MOUNT "/%s", e->name);
		ASSERT_EQ(stat(path, &st), 0);
		EXPECT_EQ(st.st_mode & 07777, resolved(e->mode, variant->mode))
			TH_LOG("%s", e->name);
		EXPECT_EQ(st.st_uid, (uid_t)(e->own ? OWN_USER : OWNER)) TH_LOG("%s", e->name);
		EXPECT_EQ(st.st_gid, (gid_t)(e->own ? OWN_GROUP : GROUP)) TH_LOG("%s", e->name);
		EXPECT_EQ(S_ISDIR(st.st_mode), e->directory) TH_LOG("%s", e->name);
	}
}

struct change {
	const struct user *user;
	const char *path;
};

static int try_chmod(const void *argument)
{
	const struct change *c = argument;

	if (become(c->user))
		return 255;
	return chmod(c->path, 0444) ? errno : 0;
}

static int try_chown(const void *argument)
{
	const struct change *c = argument;

	if (become(c->user))
		return 255;
	return chown(c->path, 1, 1) ? errno : 0;
}

TEST_F(permission, to_change_it_is_the_owners_and_roots)
{
	const struct change plain = { &variant->user, MOUNT "/plain" };
	const struct change own = { &variant->user, MOUNT "/own" };
	bool reaches = has(&variant->user, variant->mode, false, 1, true);
	uid_t uid = variant->user.uid;

	EXPECT_EQ(in_child(try_chown, &plain), !reaches ? EACCES : uid ? EPERM : 0);
	if (!uid)
		ASSERT_EQ(chown(MOUNT "/plain", OWNER, GROUP), 0);
	EXPECT_EQ(in_child(try_chmod, &plain),
		  !reaches ? EACCES : uid && uid != OWNER ? EPERM : 0);
	EXPECT_EQ(in_child(try_chmod, &own),
		  !reaches ? EACCES : uid && uid != OWN_USER ? EPERM : 0);
}

static int try_open_at(const void *argument)
{
	const struct user other = { OTHER, OTHER };

	if (become(&other))
		return 255;
	return openat(*(const int *)argument, "cpu0", O_RDONLY) < 0 ? errno : 0;
}

TEST_F(permission, counts_from_where_one_is)
{
	int dir = file_open("plain.d", O_RDONLY | O_DIRECTORY);
	bool may = has(&(struct user){ OTHER, OTHER }, variant->mode, false, 5, true);

	/* Who was handed a directory needs only that one's. */
	ASSERT_GE(dir, 0);
	EXPECT_EQ(in_child(try_open_at, &dir), may ? 0 : EACCES);
	close(dir);
}

static int try_read_after(const void *argument)
{
	const struct user other = { OTHER, OTHER };
	char byte;

	if (become(&other))
		return 255;
	return read(*(const int *)argument, &byte, 1) < 0 ? errno : 0;
}

/* Consumes all but 50 bytes by the consumer page, and those by reading. */
static int try_consume(const void *argument)
{
	int fd;
	char data[PAGE];
	const struct relayfs_meta *meta;
	struct relayfs_consumer *page;

	if (become(argument))
		return 255;
	fd = file_open("plain.d/cpu0", O_RDWR | O_EXCL | O_NONBLOCK);
	if (fd < 0)
		return errno;
	meta = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, RELAYFS_OFF_CONSUMER);
	if (meta == MAP_FAILED || page == MAP_FAILED)
		return errno;
	__atomic_store_n(&page->position, meta->write_pos - 50, __ATOMIC_RELEASE);
	if (read(fd, data, PAGE) != 50)
		return 254;
	/* That is all there is to be written. */
	return write(fd, "x", 1) == -1 && errno == EINVAL ? 0 : 253;
}

TEST_F(permission, of_the_consumer_page_comes_by_chmod)
{
	struct entry e = { "plain.d/cpu0", FOLLOWS_FILE, FOLLOWS_DIR, false, false };
	struct relaytest_pattern p = { .id = self->plain, .cpu = 0, .count = 2, .len = 100 };

	for (int i = 0; i < 2; i++) {
		int want = -expected(&e, variant->mode, &variant->user, O_RDWR);

		ASSERT_EQ(chan_pattern(self->dev, &p), 0);
		EXPECT_EQ(in_child(try_consume, &variant->user), want);
		EXPECT_EQ(info("plain", "cpu0", "unread", true), want ? 200 * (i + 1) : 0);
		e.mode = 0460;
		ASSERT_EQ(chmod(MOUNT "/plain.d/cpu0", e.mode), 0);
	}
}

TEST_F(permission, is_asked_for_at_open_only)
{
	int fd = file_open("plain", O_RDONLY | O_NONBLOCK);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(remount("mode=0000"), 0);
	EXPECT_EQ(in_child(try_read_after, &fd), EAGAIN);
	close(fd);
}

TEST_HARNESS_MAIN
