/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail - the steps of a child towards less.
 *
 *   namespaces -> mounts -> limits -> groups, user -> no capabilities, none to be had
 *
 * The order matters: namespaces and mounts need privilege, limits may be lowered by anybody, the
 * change of user gives the privilege away, and what is left is dropped.  Without the last step
 * root, or the owner of a user namespace, could mount again what was made read-only.
 *
 * Not root: a user namespace in which we map only ourselves gives the privilege for the other two.
 * A child of ours that made such namespaces of its own finds the mounts locked.
 */
#include "base/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool
file_put(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, n) == (ssize_t)n;

	if (fd >= 0)
		(void)close(fd);
	return ok;
}

/* "ID ID 1\n" without stdio. */
static bool
map_put(const char *path, unsigned id)
{
	char digits[12], text[40];
	size_t d = 0, n = 0;

	do
		digits[d++] = (char)('0' + id % 10);
	while ((id /= 10) > 0);
	for (int twice = 0; twice < 2; twice++) {
		for (size_t i = d; i > 0; i--)
			text[n++] = digits[i - 1];
		text[n++] = ' ';
	}
	text[n++] = '1';
	text[n++] = '\n';
	return file_put(path, text, n);
}

static bool
namespaces_enter(const struct jail *j)
{
	int wanted = (j->no_network ? CLONE_NEWNET : 0) | (j->read_only != NULL ? CLONE_NEWNS : 0);
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (wanted == 0 || unshare(wanted) == 0)
		return true;
	return errno == EPERM && unshare(CLONE_NEWUSER | wanted) == 0 &&
	       map_put("/proc/self/uid_map", uid) && file_put("/proc/self/setgroups", "deny", 4) &&
	       map_put("/proc/self/gid_map", gid);
}

static bool
folder_bind(const char *path)
{
	return mount(path, path, NULL, MS_BIND | MS_REC, NULL) == 0;
}

static bool
folder_set(const char *path, uint64_t set, uint64_t clear)
{
	struct mount_attr a = { .attr_set = set, .attr_clr = clear };

	return mount_setattr(AT_FDCWD, path, AT_RECURSIVE, &a, sizeof(a)) == 0;
}

static enum jail_step
mounts_change(const struct jail *j)
{
	if (j->read_only == NULL)
		return JAIL_OK;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return JAIL_MOUNT;
	/* All binds first: a folder that is read-only cannot be told from one that is made so. */
	for (const char *const *f = j->read_only; *f != NULL; f++)
		if (strcmp(*f, "/") != 0 && !folder_bind(*f))
			return JAIL_FOLDER;
	for (const char *const *f = j->writable; f != NULL && *f != NULL; f++)
		if (!folder_bind(*f))
			return JAIL_FOLDER;
	for (const char *const *f = j->read_only; *f != NULL; f++)
		if (!folder_set(*f, MOUNT_ATTR_RDONLY, 0))
			return JAIL_MOUNT;
	for (const char *const *f = j->writable; f != NULL && *f != NULL; f++)
		if (!folder_set(*f, 0, MOUNT_ATTR_RDONLY))
			return JAIL_MOUNT;
	return JAIL_OK;
}

static bool
limits_set(const struct jail *j)
{
	for (size_t i = 0; i < j->limits_n; i++) {
		struct rlimit now,
		    l = { .rlim_cur = j->limits[i].value, .rlim_max = j->limits[i].value };

		/* More than the host allows anybody is as much as it allows. */
		if (getrlimit((__rlimit_resource_t)j->limits[i].what, &now) != 0)
			return false;
		if (l.rlim_max > now.rlim_max)
			l.rlim_cur = l.rlim_max = now.rlim_max;
		if (setrlimit((__rlimit_resource_t)j->limits[i].what, &l) != 0)
			return false;
	}
	return true;
}

static bool
user_become(const struct jail *j)
{
	if (!j->has_user || (geteuid() != 0 && geteuid() == j->uid && getuid() == j->uid))
		return true;
	return setgroups(0, NULL) == 0 && setresgid(j->gid, j->gid, j->gid) == 0 &&
	       setresuid(j->uid, j->uid, j->uid) == 0;
}

static bool
privileges_drop(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2];

	memset(none, 0, sizeof(none));
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_capset, &head, none) == 0;
}

enum jail_step
jail_enter(const struct jail *j)
{
	enum jail_step step;

	if (!namespaces_enter(j))
		return JAIL_NAMESPACE;
	step = mounts_change(j);
	if (step != JAIL_OK)
		return step;
	if (!limits_set(j))
		return JAIL_LIMIT;
	if (!user_become(j))
		return JAIL_USER;
	if ((j->has_user || j->no_network || j->read_only != NULL) && !privileges_drop())
		return JAIL_PRIVILEGES;
	return JAIL_OK;
}

const char *
jail_step_text(enum jail_step s)
{
	switch (s) {
	case JAIL_OK:
		return "";
	case JAIL_NAMESPACE:
		return "network: none and read_only need namespaces, which this host allows "
		       "neither to the gateway's user (user.max_user_namespaces) nor is it root";
	case JAIL_MOUNT:
		return "a folder cannot be made read-only";
	case JAIL_FOLDER:
		return "a folder of read_only or writable does not exist";
	case JAIL_LIMIT:
		return "rlimits cannot be set";
	case JAIL_USER:
		return "user cannot be changed (only root may start a server as somebody else)";
	case JAIL_PRIVILEGES:
		return "privileges cannot be dropped";
	}
	UNREACHABLE();
}
