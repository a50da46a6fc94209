// SPDX-License-Identifier: GPL-2.0
/* Files and directories that clients make: where, and what their operations are given. */

#include "files_rig.h"

static int text_of(const char *name, char *text, size_t size)
{
	int fd = file_open(name, O_RDONLY), n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	text[n < 0 ? 0 : n] = 0;
	n = n < 0 ? -errno : n;
	close(fd);
	return n;
}

TEST_F(files, in_the_root_and_in_directories)
{
	char text[64];

	ASSERT_EQ(files_make(self->dev, 0, "f_file", FILES_IN_ROOT, FILES_TEXT), 0);
	ASSERT_EQ(files_make(self->dev, 1, "f_dir", FILES_IN_ROOT, FILES_DIR), 0);
	ASSERT_EQ(files_make(self->dev, 2, "sub", 1, FILES_DIR), 0);
	ASSERT_EQ(files_make(self->dev, 3, "deep", 2, FILES_TEXT), 0);
	EXPECT_EQ(text_of("f_file", text, sizeof(text)), 6);
	EXPECT_STREQ(text, "f_file");
	EXPECT_EQ(text_of("f_dir/sub/deep", text, sizeof(text)), 4);
	EXPECT_STREQ(text, "deep");

	EXPECT_EQ(files_remove(self->dev, 1), 0);
	EXPECT_FALSE(file_exists("f_dir"));
	EXPECT_TRUE(file_exists("f_file"));
	/* What went with the directory is nothing now; nor is it when there is something new. */
	ASSERT_EQ(files_make(self->dev, 4, "f_new", FILES_IN_ROOT, FILES_TEXT), 0);
	EXPECT_EQ(files_remove(self->dev, 3), 0);
	EXPECT_EQ(files_remove(self->dev, 2), 0);
	EXPECT_EQ(files_remove(self->dev, 1), 0);
	EXPECT_TRUE(file_exists("f_new"));
	EXPECT_EQ(files_make(self->dev, 5, "x", 2, FILES_TEXT), -ENOTDIR);
	EXPECT_EQ(files_remove(self->dev, 4), 0);
	EXPECT_EQ(files_remove(self->dev, 0), 0);
	EXPECT_FALSE(file_exists("f_file"));
}

TEST_F(files, every_error)
{
	struct files_make m = { .name = (uintptr_t)"f_mode", .parent = FILES_IN_ROOT, .entry = 9,
				.mode = 0755, .kind = FILES_TEXT };
	static const char * const bad[] = { "", ".", "..", "a/b", "/" };
	char name[300];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		EXPECT_EQ(files_make(self->dev, 9, bad[i], FILES_IN_ROOT, FILES_TEXT), -EINVAL);
		EXPECT_EQ(files_make(self->dev, 9, bad[i], FILES_IN_ROOT, FILES_DIR), -EINVAL);
	}
	memset(name, 'n', sizeof(name));
	name[256] = 0;
	EXPECT_EQ(files_make(self->dev, 9, name, FILES_IN_ROOT, FILES_TEXT), -ENAMETOOLONG);
	name[255] = 0;
	ASSERT_EQ(files_make(self->dev, 0, name, FILES_IN_ROOT, FILES_TEXT), 0);
	EXPECT_EQ(files_make(self->dev, 9, name, FILES_IN_ROOT, FILES_TEXT), -EEXIST);
	EXPECT_EQ(files_make(self->dev, 9, name, FILES_IN_ROOT, FILES_DIR), -EEXIST);
	EXPECT_EQ(files_make(self->dev, 9, "x", 0, FILES_TEXT), -ENOTDIR);
	EXPECT_EQ(files_make(self->dev, 9, "x", FILES_IN_DENTRY, FILES_TEXT), -ENOTDIR);
	EXPECT_EQ(files_make(self->dev, 9, "x", FILES_IN_ERROR, FILES_TEXT), -ENOTDIR);
	EXPECT_EQ(files_make(self->dev, 9, "x", FILES_IN_ROOT, FILES_NOTHING), -EINVAL);
	EXPECT_EQ(files_do(self->dev, FILES_MAKE, &m), -EINVAL);
	EXPECT_FALSE(file_exists("x"));
	EXPECT_FALSE(file_exists("f_mode"));
}

TEST_F(files, in_a_channels_directory_go_with_it)
{
	char text[64];
	int fd;

	ASSERT_EQ(files_chan(self->dev, 0, "f_chan", 0), 0);
	ASSERT_EQ(files_make(self->dev, 0, "control", FILES_IN_CHANNEL(0), FILES_TEXT), 0);
	ASSERT_EQ(files_make(self->dev, 1, "more", FILES_IN_CHANNEL(0), FILES_DIR), 0);
	ASSERT_EQ(files_make(self->dev, 2, "deep", 1, FILES_TEXT), 0);
	EXPECT_EQ(files_make(self->dev, 9, "cpu0", FILES_IN_CHANNEL(0), FILES_TEXT), -EEXIST);
	EXPECT_EQ(files_make(self->dev, 9, "info", FILES_IN_CHANNEL(0), FILES_DIR), -EEXIST);
	EXPECT_EQ(text_of("f_chan.d/more/deep", text, sizeof(text)), 4);
	/* No channel below a channel. */
	EXPECT_EQ(files_chan(self->dev, 1, "f_chan.d/more/x", 0), -ENOTDIR);
	fd = file_open("f_chan.d/control", O_RDONLY);
	ASSERT_GE(fd, 0);

	EXPECT_EQ(files_chan_close(self->dev, 0), 0);
	EXPECT_FALSE(file_exists("f_chan.d"));
	EXPECT_EQ(read(fd, text, 1), -1);
	EXPECT_EQ(errno, EIO);
	close(fd);
	/* Another in its place is not touched by old handles. */
	ASSERT_EQ(files_chan(self->dev, 0, "f_chan", 0), 0);
	ASSERT_EQ(files_make(self->dev, 3, "control", FILES_IN_CHANNEL(0), FILES_TEXT), 0);
	EXPECT_EQ(files_remove(self->dev, 0), 0);
	EXPECT_EQ(files_remove(self->dev, 1), 0);
	EXPECT_TRUE(file_exists("f_chan.d/control"));
	EXPECT_EQ(files_make(self->dev, 9, "x", 1, FILES_TEXT), -ENOTDIR);
}

TEST_F(files, channels_in_a_clients_directory_outlive_it)
{
	ASSERT_EQ(files_make(self->dev, 0, "f_home", FILES_IN_ROOT, FILES_DIR), 0);
	ASSERT_EQ(files_make(self->dev, 1, "in", 0, FILES_DIR), 0);
	ASSERT_EQ(files_chan(self->dev, 0, "f_home/in/chan", 0), 0);
	ASSERT_EQ(files_chan(self->dev, 1, "f_home/other", 0), 0);
	ASSERT_EQ(files_make(self->dev, 2, "control", 0, FILES_TEXT), 0);
	ASSERT_EQ(files_make(self->dev, 3, "kept", FILES_IN_CHANNEL(0), FILES_TEXT), 0);
	/* It is held, so it does not vanish with its last channel. */
	EXPECT_EQ(files_chan_close(self->dev, 1), 0);
	EXPECT_TRUE(file_exists("f_home/control"));

	EXPECT_EQ(files_remove(self->dev, 0), 0);
	EXPECT_FALSE(file_exists("f_home/control"));
	EXPECT_TRUE(file_exists("f_home/in/chan"));
	EXPECT_TRUE(file_exists("f_home/in/chan.d/kept"));
	EXPECT_EQ(files_make(self->dev, 9, "x", 0, FILES_TEXT), -ENOTDIR);
	EXPECT_EQ(files_chan_close(self->dev, 0), 0);
	EXPECT_FALSE(file_exists("f_home"));
}

TEST_F(files, an_empty_directory_stays_until_removed)
{
	ASSERT_EQ(files_make(self->dev, 0, "f_empty", FILES_IN_ROOT, FILES_DIR), 0);
	ASSERT_EQ(files_make(self->dev, 1, "inner", 0, FILES_DIR), 0);
	ASSERT_EQ(files_make(self->dev, 2, "x", 1, FILES_TEXT), 0);
	EXPECT_EQ(files_remove(self->dev, 2), 0);
	EXPECT_TRUE(file_exists("f_empty/inner"));
	ASSERT_EQ(files_chan(self->dev, 0, "f_empty/inner/c", 0), 0);
	EXPECT_EQ(files_chan_close(self->dev, 0), 0);
	EXPECT_TRUE(file_exists("f_empty/inner"));
	EXPECT_EQ(files_remove(self->dev, 1), 0);
	EXPECT_TRUE(file_exists("f_empty"));
	EXPECT_FALSE(file_exists("f_empty/inner"));
}

TEST_F(files, names_clash_with_channels)
{
	ASSERT_EQ(files_make(self->dev, 0, "f_name", FILES_IN_ROOT, FILES_TEXT), 0);
	ASSERT_EQ(files_make(self->dev, 1, "f_other.d", FILES_IN_ROOT, FILES_DIR), 0);
	EXPECT_EQ(files_chan(self->dev, 0, "f_name", 0), -EEXIST);
	EXPECT_EQ(files_chan(self->dev, 0, "f_other", 0), -EEXIST);
	EXPECT_EQ(files_chan(self->dev, 0, "f_name/x", 0), -ENOTDIR);
	EXPECT_FALSE(file_exists("f_name.d"));
	EXPECT_FALSE(file_exists("f_other"));
	ASSERT_EQ(files_chan(self->dev, 0, "f_dir/chan", 0), 0);
	EXPECT_EQ(files_make(self->dev, 9, "f_dir", FILES_IN_ROOT, FILES_DIR), -EEXIST);
	ASSERT_EQ(files_chan(self->dev, 1, "f_chan", 0), 0);
	EXPECT_EQ(files_make(self->dev, 9, "f_chan", FILES_IN_ROOT, FILES_TEXT), -EEXIST);
	EXPECT_EQ(files_make(self->dev, 9, "f_chan.d", FILES_IN_ROOT, FILES_DIR), -EEXIST);
	/* A channel's directory is not the client's to remove. */
	EXPECT_EQ(files_make(self->dev, 9, "x", FILES_IN_ERROR, FILES_DIR), -ENOTDIR);
}

TEST_F(files, operations_are_passed_on)
{
	char text[64];
	int fd;

	ASSERT_EQ(files_make(self->dev, 0, "f_text", FILES_IN_ROOT, FILES_TEXT), 0);
	fd = file_open("f_text", O_RDWR | O_TRUNC);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(write(fd, "0123456789", 10), 10);
	EXPECT_EQ(lseek(fd, 4, SEEK_SET), 4);
	EXPECT_EQ(read(fd, text, sizeof(text)), 6);
	EXPECT_EQ(memcmp(text, "456789", 6), 0);
	EXPECT_EQ(ioctl(fd, FILES_TEXT_LENGTH), 10);
	EXPECT_EQ(ioctl(fd, _IO('x', 1)), -1);
	EXPECT_EQ(errno, ENOTTY);
	EXPECT_EQ(fsync(fd), 0);
	EXPECT_EQ(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0), 1);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, ENODEV);
	close(fd);

	ASSERT_EQ(files_make(self->dev, 1, "f_iter", FILES_IN_ROOT, FILES_ITER), 0);
	fd = file_open("f_iter", O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(write(fd, "iterated", 8), 8);
	EXPECT_EQ(read(fd, text, sizeof(text)), 8);
	EXPECT_EQ(lseek(fd, 0, SEEK_SET), -1);
	EXPECT_EQ(errno, ESPIPE);
	EXPECT_EQ(ioctl(fd, FILES_TEXT_LENGTH), -1);
	EXPECT_EQ(errno, ENOTTY);
	EXPECT_EQ(poll(&(struct pollfd){ .fd = fd, .events = POLLIN | POLLOUT }, 1, 0), 1);
	EXPECT_EQ(fsync(fd), -1);
	EXPECT_EQ(errno, EINVAL);
	close(fd);

	ASSERT_EQ(files_make(self->dev, 2, "f_seq", FILES_IN_ROOT, FILES_SEQ), 0);
	EXPECT_EQ(text_of("f_seq", text, sizeof(text)), 6);
	EXPECT_STREQ(text, "f_seq\n");
	fd = file_open("f_seq", O_RDWR);
	EXPECT_EQ(write(fd, "x", 1), -1);
	EXPECT_EQ(errno, EINVAL);
	close(fd);

	ASSERT_EQ(files_make(self->dev, 3, "f_refuse", FILES_IN_ROOT, FILES_REFUSE), 0);
	EXPECT_EQ(text_of("f_refuse", text, sizeof(text)), -EXDEV);
	ASSERT_EQ(files_make(self->dev, 4, "f_swap", FILES_IN_ROOT, FILES_SWAP), 0);
	EXPECT_EQ(text_of("f_swap", text, sizeof(text)), -EINVAL);
}

static bool fdinfo_says(int fd, const char *what)
{
	char path[64], line[128];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		found |= !strcmp(line, what);
	if (f)
		fclose(f);
	return found;
}

TEST_F(files, rare_operations_are_passed_on)
{
	int fd;

	ASSERT_EQ(files_make(self->dev, 0, "f_rare", FILES_IN_ROOT, FILES_RARE), 0);
	fd = file_open("f_rare", O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(fdinfo_says(fd, "item:\tf_rare\n"));
	EXPECT_EQ(fallocate(fd, 0, 0, 7), 0);
	EXPECT_EQ(fallocate(fd, 0, 0, 8), -1);
	EXPECT_EQ(errno, EXDEV);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EXFULL);
	if (posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL) != ENOSYS) {
		EXPECT_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
		EXPECT_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL), EDOM);
	}
	EXPECT_EQ(fcntl(fd, F_SETFL, O_ASYNC | O_RDWR), 0);
	EXPECT_EQ(files_count(self->dev, FILES_COUNT_ASYNC), 1);
	EXPECT_EQ(fcntl(fd, F_SETFL, O_RDWR), 0);
	EXPECT_EQ(files_count(self->dev, FILES_COUNT_ASYNC), 0);
	EXPECT_EQ(fcntl(fd, F_SETFL, O_ASYNC | O_RDWR), 0);

	EXPECT_EQ(files_remove(self->dev, 0), 0);
	EXPECT_FALSE(fdinfo_says(fd, "item:\tf_rare\n"));
	EXPECT_EQ(fallocate(fd, 0, 0, 7), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EIO);
	/* The client does not keep a file that is closed. */
	EXPECT_EQ(files_count(self->dev, FILES_COUNT_ASYNC), 1);
	close(fd);
	EXPECT_EQ(files_count(self->dev, FILES_COUNT_ASYNC), 0);
	ASSERT_EQ(files_make(self->dev, 1, "f_dead", FILES_IN_ROOT, FILES_RARE), 0);
	fd = file_open("f_dead", O_RDWR);
	EXPECT_EQ(files_remove(self->dev, 1), 0);
	EXPECT_EQ(fcntl(fd, F_SETFL, O_ASYNC | O_RDWR), -1);
	EXPECT_EQ(errno, EIO);
	close(fd);
}

TEST_F(files, operations_there_are_not_are_refused)
{
	EXPECT_EQ(files_make(self->dev, 0, "f_foreign", FILES_IN_ROOT, FILES_FOREIGN), -EINVAL);
	EXPECT_FALSE(file_exists("f_foreign"));
}

TEST_F(files, splice_and_mmap)
{
	int fd, pipes[2];
	char text[64];
	char *page;

	ASSERT_EQ(pipe(pipes), 0);
	ASSERT_EQ(files_make(self->dev, 0, "f_iter", FILES_IN_ROOT, FILES_ITER), 0);
	fd = file_open("f_iter", O_RDONLY);
	EXPECT_EQ(splice(fd, NULL, pipes[1], NULL, 64, 0), 6);
	EXPECT_EQ(read(pipes[0], text, sizeof(text)), 6);
	EXPECT_EQ(memcmp(text, "f_iter", 6), 0);
	close(fd);
	close(pipes[0]);
	close(pipes[1]);

	ASSERT_EQ(files_make(self->dev, 1, "f_map", FILES_IN_ROOT, FILES_MAP), 0);
	fd = file_open("f_map", O_RDONLY);
	page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(page, MAP_FAILED);
	EXPECT_STREQ(page, "f_map");
	EXPECT_EQ(files_remove(self->dev, 1), 0);
	EXPECT_STREQ(page, "f_map");
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EIO);
	munmap(page, PAGE);
	close(fd);
}

TEST_F(files, users_change_nothing)
{
	ASSERT_EQ(files_make(self->dev, 0, "f_file", FILES_IN_ROOT, FILES_TEXT), 0);
	ASSERT_EQ(files_make(self->dev, 1, "f_dir", FILES_IN_ROOT, FILES_DIR), 0);
	EXPECT_EQ(unlink(MOUNT "/f_file"), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(rmdir(MOUNT "/f_dir"), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(rename(MOUNT "/f_file", MOUNT "/f_dir/x"), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(link(MOUNT "/f_file", MOUNT "/f_dir/x"), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(symlink("x", MOUNT "/f_dir/x"), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(mkdir(MOUNT "/f_dir/x", 0700), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(file_open("f_dir/x", O_RDWR | O_CREAT), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_TRUE(file_exists("f_file"));
}

TEST_HARNESS_MAIN
