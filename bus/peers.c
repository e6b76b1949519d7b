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
	free(peers->pollers);
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
		wr_peer_init(peers->at[count], count, peers);
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
	for (int i = 0; i < peers->poller_count; i++)
		(void)wr_bell_watch(peers->pollers[i], peer->bell_in);
	return 0;
}

int
wr_peers_watch(struct wr_peers *peers, struct wr_poller *poller)
{
	if (peers->poller_count == peers->poller_size) {
		int size = peers->poller_size ? peers->poller_size * 2 : 8;
		struct wr_poller **grown =
			realloc(peers->pollers, (size_t)size * sizeof(*grown));

		if (!grown)
			return -1;
		peers->pollers = grown;
		peers->poller_size = size;
	}
	for (int i = 0; peers->at[i]; i++)
		if (peers->at[i]->bell_in >= 0 &&
			wr_bell_watch(poller, peers->at[i]->bell_in) < 0)
			return -1;
	peers->pollers[peers->poller_count++] = poller;
	return 0;
}

void
wr_peers_unwatch(struct wr_peers *peers, struct wr_poller *poller)
{
	for (int i = 0; i < peers->poller_count; i++)
		if (peers->pollers[i] == poller)
			peers->pollers[i--] = peers->pollers[--peers->poller_count];
}

void
wr_peers_unhear(struct wr_peers *peers, int bell_fd)
{
	for (int i = 0; i < peers->poller_count; i++)
		(void)wr_poller_remove(peers->pollers[i], bell_fd);
}
