/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/peers.h"

#include <stdlib.h>
#include <string.h>

void
wr_peers_init(struct wr_peers *peers, struct wr_node *node)
{
	memset(peers, 0, sizeof(*peers));
	peers->node = node;
}

void
wr_peers_fini(struct wr_peers *peers)
{
	for (int i = 0; peers->at[i]; i++) {
		wr_peer_reset(peers->at[i]);
		free(peers->at[i]);
	}
	free(peers->sets);
	memset(peers, 0, sizeof(*peers));
}

struct wr_peer *
wr_peers_find(struct wr_peers *peers, uint64_t node)
{
	for (int i = 0; peers->at[i]; i++)
		if (peers->at[i]->state != WR_PEER_FREE && peers->at[i]->node == node)
			return peers->at[i];
	return NULL;
}

struct wr_peer *
wr_peers_place(struct wr_peers *peers)
{
	int count;

	for (count = 0; peers->at[count]; count++)
		if (peers->at[count]->state == WR_PEER_FREE)
			return peers->at[count];
	if (count == WR_PEERS)
		return NULL;
	peers->at[count] = malloc(sizeof(*peers->at[count]));
	if (peers->at[count])
		wr_peer_init(peers->at[count], count);
	return peers->at[count];
}

int
wr_peers_bell(struct wr_peers *peers, struct wr_peer *peer)
{
	if (peer->bell_in >= 0)
		return 0;
	peer->bell_in = wr_bell_make();
	if (peer->bell_in < 0)
		return -WEIR_E_ENV_FILES;
	for (int i = 0; i < peers->set_count; i++)
		(void)wr_bell_watch(peers->sets[i], peer->bell_in);
	return 0;
}

int
wr_peers_watch(struct wr_peers *peers, int epoll_fd)
{
	if (peers->set_count == peers->set_size) {
		int size = peers->set_size ? peers->set_size * 2 : 8;
		int *grown = realloc(peers->sets, (size_t)size * sizeof(*grown));

		if (!grown)
			return -1;
		peers->sets = grown;
		peers->set_size = size;
	}
	for (int i = 0; peers->at[i]; i++)
		if (peers->at[i]->bell_in >= 0 &&
			wr_bell_watch(epoll_fd, peers->at[i]->bell_in) < 0)
			return -1;
	peers->sets[peers->set_count++] = epoll_fd;
	return 0;
}

void
wr_peers_unwatch(struct wr_peers *peers, int epoll_fd)
{
	for (int i = 0; i < peers->set_count; i++)
		if (peers->sets[i] == epoll_fd)
			peers->sets[i--] = peers->sets[--peers->set_count];
}
