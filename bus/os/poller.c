/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/os/poller.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	AT_ONCE = 64, /* events that one wait takes, and descriptors that need no memory */
	ALSO_MAX = 768, /* descriptors that end a wait beside those that are heard */
	PAUSE_NS = 1000000
};

_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT, "epoll and poll mean the same");

struct wr_polled {
	struct pollfd of;
	bool token;
	void *mark;
};

bool
wr_poller_refused(int os)
{
	return os == ENOSYS || os == EPERM || os == EACCES;
}

const char *
wr_poller_name(const struct wr_poller *poller)
{
	return poller->epoll ? "epoll" : "poll";
}

int
wr_poller_init(struct wr_poller *poller, enum wr_io io)
{
	*poller = (struct wr_poller){.fd = -1};
	if (io != WR_IO_POLL) {
		poller->fd = epoll_create1(EPOLL_CLOEXEC);
		poller->epoll = poller->fd >= 0;
		if (poller->epoll || io == WR_IO_EPOLL || !wr_poller_refused(errno))
			return poller->epoll ? 0 : -1;
	}
	poller->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (poller->fd < 0)
		return -1;
	pthread_mutex_init(&poller->lock, NULL);
	return 0;
}

void
wr_poller_fini(struct wr_poller *poller)
{
	if (poller->fd < 0)
		return;
	close(poller->fd);
	poller->fd = -1;
	if (poller->epoll)
		return;
	free(poller->polled);
	poller->polled = NULL;
	poller->count = poller->size = 0;
	pthread_mutex_destroy(&poller->lock);
}

/* ---- epoll ------------------------------------------------------------------------------------ */

static int
add_to_epoll(struct wr_poller *poller, int fd, unsigned events, void *mark)
{
	struct epoll_event event = {.data.ptr = mark};

	event.events = (events & WR_TOKEN) != 0 ? EPOLLIN | EPOLLET : events;
	if (epoll_ctl(poller->fd, EPOLL_CTL_ADD, fd, &event) == 0)
		return 0;
	return errno == EPERM ? WR_POLLER_ALWAYS : -1;
}

static int
wait_on_epoll(struct wr_poller *poller, void **marks, int most, int timeout_ms)
{
	struct epoll_event events[AT_ONCE];
	int count = epoll_wait(
		poller->fd, events, most < AT_ONCE ? most : AT_ONCE, timeout_ms);
	int heard = 0;

	for (int i = 0; i < count; i++)
		if (events[i].data.ptr)
			marks[heard++] = events[i].data.ptr;
	return heard;
}

/* ---- poll(2): the table, with the lock held --------------------------------------------------- */

/* Who waits looks at the table anew. A full counter still wakes it. */
static void
kick(const struct wr_poller *poller)
{
	static const uint64_t one = 1;

	if (write(poller->fd, &one, sizeof(one)) < 0)
		(void)0;
}

static struct wr_polled *
find(const struct wr_poller *poller, int fd)
{
	for (uint32_t i = 0; i < poller->count; i++)
		if (poller->polled[i].of.fd == fd)
			return &poller->polled[i];
	return NULL;
}

static bool
grow(struct wr_poller *poller)
{
	uint32_t size = poller->size ? poller->size * 2 : 16;
	struct wr_polled *grown = realloc(poller->polled, size * sizeof(*grown));

	if (!grown)
		return false;
	poller->polled = grown;
	poller->size = size;
	return true;
}

static int
enter(struct wr_poller *poller, int fd, unsigned events, void *mark)
{
	bool token = (events & WR_TOKEN) != 0;

	if (find(poller, fd)) {
		errno = EEXIST;
		return -1;
	}
	if (poller->count == poller->size && !grow(poller)) {
		errno = ENOMEM;
		return -1;
	}
	poller->polled[poller->count++] = (struct wr_polled){
		.of = {.fd = fd, .events = token ? POLLIN : (short)events},
		.token = token,
		.mark = mark};
	kick(poller);
	return 0;
}

/* As epoll has it: what is always ready cannot be waited for. */
static int
add_to_table(struct wr_poller *poller, int fd, unsigned events, void *mark)
{
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return -1;
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		return WR_POLLER_ALWAYS;
	pthread_mutex_lock(&poller->lock);
	rc = enter(poller, fd, events, mark);
	pthread_mutex_unlock(&poller->lock);
	return rc;
}

static bool
remove_from_table(struct wr_poller *poller, int fd)
{
	struct wr_polled *polled;

	pthread_mutex_lock(&poller->lock);
	polled = find(poller, fd);
	if (polled) {
		*polled = poller->polled[--poller->count];
		kick(poller);
	}
	pthread_mutex_unlock(&poller->lock);
	return polled != NULL;
}

/* ---- poll(2): a wait --------------------------------------------------------------------------- */

/* What one wait looks at: our own descriptor, those of the table, and those beside it. */
struct look {
	struct pollfd few[AT_ONCE], *fds;
	unsigned own; /* ours and the table's */
	unsigned count;
};

/* False: there is no memory for so many. */
static bool
begin(struct wr_poller *poller, struct look *look)
{
	unsigned room = poller->also ? ALSO_MAX : 0;
	size_t needed;

	look->own = 1;
	pthread_mutex_lock(&poller->lock);
	needed = 1 + poller->count + room;
	look->fds = needed <= AT_ONCE ? look->few : malloc(needed * sizeof(*look->fds));
	if (!look->fds) {
		pthread_mutex_unlock(&poller->lock);
		return false;
	}
	look->fds[0] = (struct pollfd){.fd = poller->fd, .events = POLLIN};
	for (uint32_t i = 0; i < poller->count; i++)
		look->fds[look->own++] = poller->polled[i].of;
	pthread_mutex_unlock(&poller->lock);
	look->count = look->own;
	if (poller->also)
		look->count += poller->also(poller->ctx, look->fds + look->own, room);
	return true;
}

/* One that was ready, with the lock held, which keeps it from being closed: it may have been
 * removed while we waited, and its number be somebody else's. Returns its mark. */
static void *
take(struct wr_poller *poller, const struct pollfd *ready)
{
	struct wr_polled *polled = ready->revents ? find(poller, ready->fd) : NULL;
	uint64_t token;

	if (!polled)
		return NULL;
	if (polled->token && read(ready->fd, &token, sizeof(token)) < 0)
		(void)0; /* somebody else was quicker: it has been heard, all the same */
	return polled->mark;
}

/* Each wait begins with another one, so that nobody is passed over where many are ready. */
static int
hear(struct wr_poller *poller, const struct look *look, void **marks, int most)
{
	unsigned others = look->own - 1, i;
	int heard = 0;

	pthread_mutex_lock(&poller->lock);
	for (i = 0; i < others && heard < most; i++) {
		unsigned at = 1 + (poller->turn + i) % others;
		void *mark = take(poller, &look->fds[at]);

		if (mark)
			marks[heard++] = mark;
	}
	poller->turn = i < others ? poller->turn + i : 0;
	pthread_mutex_unlock(&poller->lock);
	return heard;
}

static int
wait_on_table(struct wr_poller *poller, void **marks, int most, int timeout_ms)
{
	static const struct timespec pause = {.tv_nsec = PAUSE_NS};
	struct look look;
	uint64_t kicks;
	int heard = 0;

	if (!begin(poller, &look)) {
		if (timeout_ms != 0)
			nanosleep(&pause, NULL);
		return 0;
	}
	if (poll(look.fds, look.count, timeout_ms) > 0) {
		if (look.fds[0].revents && read(poller->fd, &kicks, sizeof(kicks)) < 0)
			(void)0;
		heard = hear(poller, &look, marks, most);
	}
	if (look.fds != look.few)
		free(look.fds);
	return heard;
}

/* ---- either ------------------------------------------------------------------------------------- */

int
wr_poller_add(struct wr_poller *poller, int fd, unsigned events, void *mark)
{
	return poller->epoll ? add_to_epoll(poller, fd, events, mark)
			     : add_to_table(poller, fd, events, mark);
}

bool
wr_poller_remove(struct wr_poller *poller, int fd)
{
	return poller->epoll ? epoll_ctl(poller->fd, EPOLL_CTL_DEL, fd, NULL) == 0
			     : remove_from_table(poller, fd);
}

void
wr_poller_hear_also(struct wr_poller *poller,
	unsigned (*also)(void *ctx, struct pollfd *fds, unsigned room), void *ctx)
{
	poller->also = also;
	poller->ctx = ctx;
}

int
wr_poller_wait(struct wr_poller *poller, void **marks, int most, int timeout_ms)
{
	return poller->epoll ? wait_on_epoll(poller, marks, most, timeout_ms)
			     : wait_on_table(poller, marks, most, timeout_ms);
}
