/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/fork.h"

#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct wr_steward *all; /* of this process */

/* Nobody opens or closes anything meanwhile. */
static void
before_fork(void)
{
	pthread_mutex_lock(&all_lock);
	for (struct wr_steward *s = all; s; s = s->next)
		pthread_mutex_lock(s->node->lock);
}

static void
after_fork(void)
{
	for (struct wr_steward *s = all; s; s = s->next)
		pthread_mutex_unlock(s->node->lock);
	pthread_mutex_unlock(&all_lock);
}

static void
close_peer(const struct wr_peer *peer)
{
	const int fds[] = {peer->fd, peer->pidfd, peer->bell_in, peer->bell.fd};

	for (int i = 0; i < 4; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void
close_stream(const struct wr_stream *stream)
{
	const struct wr_writer *w = &stream->writer;

	for (const struct wr_zone *z = w->pool.zone; z; z = z->older)
		close(z->store->region.fd);
	if (w->next)
		close(w->next->region.fd);
}

static void
in_child(void)
{
	for (struct wr_steward *s = all; s; s = s->next) {
		close(s->door.listen_fd);
		close(s->door.dirfd);
		if (s->ear.epoll >= 0)
			close(s->ear.epoll);
		close(s->ear.poke);
		close(s->node->bell_fd);
		close(s->node->region.fd);
		for (struct wr_stream *stream = s->node->streams; stream;
			stream = stream->next)
			close_stream(stream);
		for (int i = 0; s->peers.at[i]; i++)
			close_peer(s->peers.at[i]);
	}
	all = NULL;
	after_fork();
}

static void
watch_forks(void)
{
	pthread_atfork(before_fork, after_fork, in_child);
}

void
wr_fork_watch(struct wr_steward *s)
{
	pthread_once(&once, watch_forks);
	pthread_mutex_lock(&all_lock);
	s->next = all;
	all = s;
	pthread_mutex_unlock(&all_lock);
}

void
wr_fork_unwatch(struct wr_steward *s)
{
	pthread_mutex_lock(&all_lock);
	for (struct wr_steward **at = &all; *at; at = &(*at)->next)
		if (*at == s) {
			*at = s->next;
			break;
		}
	pthread_mutex_unlock(&all_lock);
}
