/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a peer may send, as bytes through a socket with some descriptors: taken whole, or
 * refused whole with every descriptor closed.
 *
 * The input: a byte that says how many descriptors, then the message.
 */
#include "bus/wire.h"

#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FDS_MAX = 6 };

static int
send_raw(int fd, const uint8_t *data, size_t size, int null_fd, int count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control = {0};
	struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

	if (count > 0) {
		int fds[FDS_MAX];
		struct cmsghdr *c;

		for (int i = 0; i < FDS_MAX; i++)
			fds[i] = null_fd;
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
		c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)count);
	}
	return sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size ? 0
										  : -1;
}

/* The lowest descriptor that is free: leaks make it rise. */
static int
lowest_free(void)
{
	int fd = dup(0);

	MUST(fd >= 0);
	close(fd);
	return fd;
}

static void
inspect(const struct wr_wire *msg)
{
	MUST(msg->magic == WR_WIRE_MAGIC && msg->layout == WR_LAYOUT);
	MUST(msg->kind > 0 && msg->kind < WR_WIRE_KINDS);
	MUST(strnlen(msg->name, WR_NAME_BYTES) < WR_NAME_BYTES);
	MUST(strnlen(msg->topic, WR_NAME_BYTES) < WR_NAME_BYTES);
	MUST(strnlen(msg->type, WR_NAME_BYTES) < WR_NAME_BYTES);
	MUST(msg->slot < WR_NODE_SLOTS);
	MUST(msg->terms.holds <= WEIR_HOLDS_MAX);
	MUST(msg->terms.policy <= WEIR_BLOCK && msg->terms.from <= WEIR_FROM_SEQ);
	MUST(msg->begin.asked <= msg->begin.seq);
	MUST(msg->max_message <= WEIR_MESSAGE_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int pair[2] = {-1, -1}, null_fd = -1;
	struct wr_wire msg;
	int fds[WR_WIRE_FDS] = {-1, -1}, count, rc, check, free_before;

	if (pair[0] < 0) {
		null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		MUST(null_fd >= 0);
		MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0);
	}
	if (size < 1)
		return 0;
	count = data[0] % (FDS_MAX + 1);
	check = wr_wire_check(data + 1, size - 1, count);
	MUST(check == 0 || check == -WEIR_E_PEER_PROTOCOL || check == -WEIR_E_ENV_VERSION);
	/* An empty message is the end of a connection. */
	if (size == 1 || send_raw(pair[0], data + 1, size - 1, null_fd, count) != 0)
		return 0;
	free_before = lowest_free();
	rc = wr_wire_recv(pair[1], &msg, fds);
	if (rc == 1) {
		MUST(check == 0);
		MUST(wr_wire_fds(msg.kind) == count);
		MUST(!memcmp(&msg, data + 1, sizeof(msg)));
		inspect(&msg);
		for (int i = 0; i < count; i++) {
			MUST(fcntl(fds[i], F_GETFD) == FD_CLOEXEC);
			close(fds[i]);
		}
	} else {
		MUST(rc == check);
	}
	MUST(lowest_free() == free_before);
	MUST(wr_wire_recv(pair[1], &msg, fds) == 0);
	return 0;
}
