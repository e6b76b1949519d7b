/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
wr_wire_fds(uint16_t kind)
{
	switch (kind) {
	case WR_WIRE_HELLO:
		return 2;
	case WR_WIRE_ATTACHED:
	case WR_WIRE_MOVED:
	case WR_WIRE_SHOWN:
		return 1;
	default:
		return 0;
	}
}

static bool
ended(const char *name)
{
	return memchr(name, 0, WR_NAME_BYTES) != NULL;
}

int
wr_wire_check(const void *bytes, size_t size, int fd_count)
{
	struct wr_wire msg;

	if (size != sizeof(msg))
		return -WEIR_E_PEER_PROTOCOL;
	memcpy(&msg, bytes, sizeof(msg));
	if (msg.magic != WR_WIRE_MAGIC)
		return -WEIR_E_PEER_PROTOCOL;
	if (msg.layout != WR_LAYOUT)
		return -WEIR_E_ENV_VERSION;
	if (msg.kind == 0 || msg.kind >= WR_WIRE_KINDS ||
		fd_count != wr_wire_fds(msg.kind))
		return -WEIR_E_PEER_PROTOCOL;
	if (!ended(msg.name) || !ended(msg.topic) || !ended(msg.type))
		return -WEIR_E_PEER_PROTOCOL;
	if (msg.slot >= (msg.kind == WR_WIRE_ATTACHED ? WEIR_SUBSCRIBERS_MAX
						      : WR_NODE_SLOTS) ||
		msg.terms.holds > WEIR_HOLDS_MAX || msg.terms.policy > WEIR_BLOCK ||
		msg.terms.from > WEIR_FROM_SEQ || msg.begin.asked > msg.begin.seq ||
		msg.bytes > (uint64_t)1 << 50 || msg.max_message > WEIR_MESSAGE_MAX)
		return -WEIR_E_PEER_PROTOCOL;
	return 0;
}

int
wr_wire_send(int fd, const struct wr_wire *msg, const int *fds)
{
	size_t fd_bytes = (size_t)wr_wire_fds(msg->kind) * sizeof(int);
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * WR_WIRE_FDS)];
	} control = {0};
	struct iovec part = {.iov_base = (void *)(uintptr_t)msg, .iov_len = sizeof(*msg)};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t sent;

	if (fd_bytes > 0) {
		struct cmsghdr *c;

		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(fd_bytes);
		c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fd_bytes);
		memcpy(CMSG_DATA(c), fds, fd_bytes);
	}
	do
		sent = sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent == (ssize_t)sizeof(*msg))
		return 0;
	/* ETOOMANYREFS: too many descriptors are in flight; they land and it goes on. */
	if (sent < 0 &&
		(errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ||
			errno == ENOMEM || errno == ETOOMANYREFS))
		return -WEIR_E_AGAIN_FULL;
	return -WEIR_E_PEER_DIED;
}

/* Collects the descriptors of a message; closes what is more than expected. */
static int
take_fds(struct msghdr *header, int fds[WR_WIRE_FDS])
{
	int count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		size_t bytes;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		bytes = c->cmsg_len - CMSG_LEN(0);
		for (size_t at = 0; at + sizeof(int) <= bytes; at += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
			if (count < WR_WIRE_FDS)
				fds[count] = fd;
			else
				close(fd);
			count++;
		}
	}
	return count;
}

int
wr_wire_recv(int fd, struct wr_wire *msg, int fds[WR_WIRE_FDS])
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 4)];
	} control;
	char bytes[sizeof(*msg) + 1]; /* one more, so that too long shows */
	struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	struct msghdr header = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	int count, rc, resets = 0;
	ssize_t got;

	/* A peer that closes with our words unread leaves a reset in front of what it said. */
	do
		got = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (got < 0 && (errno == EINTR || (errno == ECONNRESET && resets++ == 0)));
	if (got < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -WEIR_E_GONE_END;
	if (got == 0)
		return -WEIR_E_GONE_END;

	count = take_fds(&header, fds);
	rc = wr_wire_check(bytes, (size_t)got, count);
	/* Fewer than were sent, and there was room for all: we may open no more. */
	if (rc < 0 && (header.msg_flags & MSG_CTRUNC) != 0 && count < WR_WIRE_FDS)
		rc = -WEIR_E_ENV_FILES;
	if (rc == 0 && (header.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0)
		rc = -WEIR_E_PEER_PROTOCOL;
	if (rc < 0) {
		for (int i = 0; i < count && i < WR_WIRE_FDS; i++)
			close(fds[i]);
		return rc;
	}
	memcpy(msg, bytes, sizeof(*msg));
	return 1;
}
