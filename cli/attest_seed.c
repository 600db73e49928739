/* Seeds of keys for attestation: see attest_seed.h. */
#include "cli/attest_seed.h"
#include "cli/attest_key.h"
#include "cli/message.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static int make(struct private_seed *seed)
{
	*seed = (struct private_seed){ .magic = PRIVATE_SEED_MAGIC };
	if (getrandom(seed->seed, sizeof(seed->seed), 0) == sizeof(seed->seed))
		return 0;
	message_error("no random numbers: %s", strerror(errno));
	return -1;
}

/* All of it for us alone, or nothing. */
static int write_file(int directory, const char *path, const void *bytes, size_t count, int flags,
		      mode_t mode)
{
	int fd = openat(directory, path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, mode);
	ssize_t put = fd < 0 ? -1 : write(fd, bytes, count);
	int error = put < 0 ? errno : ENOSPC;

	if (fd >= 0 && close(fd) < 0 && put == (ssize_t)count) {
		put = -1;
		error = errno;
	}
	if (put == (ssize_t)count)
		return 0;
	message_error("%s: %s", path, strerror(error));
	return -1;
}

/* What is wrong with a file that is there; NULL if it is a seed. */
static const char *read_file(int fd, struct private_seed *seed)
{
	u8 bytes[sizeof(*seed) + 1];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "is not a regular file";
	if (st.st_uid != geteuid() || (st.st_mode & 077))
		return "is a secret, but not this user's alone (chmod 600)";
	if (read(fd, bytes, sizeof(bytes)) != sizeof(*seed))
		return "is not a seed for attestation";
	memcpy(seed, bytes, sizeof(*seed));
	if (seed->magic != PRIVATE_SEED_MAGIC)
		return "is not a seed for attestation";
	return NULL;
}

/* The seed of a file, which is made if it is not there. */
static int keep(const char *path, struct private_seed *seed)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const char *why;

	if (fd < 0 && errno == ENOENT) {
		if (make(seed) < 0 || write_file(AT_FDCWD, path, seed, sizeof(*seed), O_EXCL, 0600) < 0)
			return -1;
		message_note("%s: made, the secret of this host's attestation", path);
		return 0;
	}
	why = fd < 0 ? strerror(errno) : read_file(fd, seed);
	if (why)
		message_error("%s: %s", path, why);
	if (fd >= 0)
		close(fd);
	return why ? -1 : 0;
}

int attest_seed_prepare(struct rundir *dir, const char *file)
{
	u8 key[ATTEST_KEY_BYTES];
	struct private_seed seed;
	int error = file ? keep(file, &seed) : make(&seed);
	char *pem;

	if (error)
		return error;
	attest_key_of_seed(seed.seed, key);
	pem = attest_key_pem(key);
	error = write_file(dir->fd, ATTEST_SEED_FILE, &seed, sizeof(seed), O_TRUNC, 0600);
	if (!error)
		error = write_file(dir->fd, ATTEST_KEY_FILE, pem, strlen(pem), O_TRUNC, 0644);
	free(pem);
	explicit_bzero(&seed, sizeof(seed));
	return error;
}
