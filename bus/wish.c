/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/wish.h"

#include <stdio.h>

static bool
keeps_waiting(const struct wr_peer *peer, const struct wr_wish *wish)
{
	if (peer->state == WR_PEER_CONNECTING)
		return true;
	if (peer->state != WR_PEER_UP)
		return false;
	if (wish->stream)
		return wr_peer_owes(peer, wish->stream->id);
	if (!peer->synced)
		return true;
	for (const struct wr_link *link = peer->links; wish->sub && link;
		link = link->peer_next)
		if (link->state == WR_LINK_ATTACHING && link->sub == wish->sub)
			return true;
	return false;
}

static bool
anybody_keeps_waiting(const struct wr_peers *peers, const struct wr_wish *wish)
{
	for (int i = 0; peers->at[i]; i++)
		if (!peers->at[i]->silent && keeps_waiting(peers->at[i], wish))
			return true;
	return false;
}

void
wr_wish_await(struct wr_steward *s, const struct wr_wish *wish, uint64_t deadline_ns)
{
	while (anybody_keeps_waiting(&s->peers, wish) && wr_steward_wait(s, deadline_ns))
		;
	for (int i = 0; s->peers.at[i]; i++) {
		struct wr_peer *peer = s->peers.at[i];

		if (peer->silent || !keeps_waiting(peer, wish))
			continue;
		peer->silent = true;
		wr_peer_event(s->node, peer, WEIR_EV_PENDING, WEIR_E_PEER_PENDING,
			wish->stream ? wish->stream->writer.topic : NULL, 0);
	}
}

int
wr_wish_pending(const struct wr_peers *peers, char *names, size_t size)
{
	size_t used = 0;
	int count = 0;

	if (size > 0)
		names[0] = 0;
	for (int i = 0; peers->at[i]; i++) {
		const struct wr_peer *peer = peers->at[i];

		if (!peer->silent || !wr_peer_busy(peer))
			continue;
		if (used < size)
			used += (size_t)snprintf(names + used, size - used, "%s%s[%d]",
				count ? ", " : "", peer->name, peer->creds.pid);
		count++;
	}
	return count;
}
