/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/parley.h"

#include <unistd.h>

#include "bus/admission.h"
#include "bus/exhibit.h"
#include "bus/hello.h"
#include "bus/legacy.h"
#include "bus/remote.h"

/* ---- messages ----------------------------------------------------------------------------- */

static void
drop_fds(const struct wr_wire *msg, const int *fds)
{
	for (int i = 0; i < wr_wire_fds(msg->kind); i++)
		close(fds[i]);
}

static struct wr_peer *
on_hello(struct wr_peers *peers, struct wr_peer *peer, const struct wr_wire *msg,
	const int *fds, int *wrong)
{
	struct wr_node *node = peers->node;

	peer = wr_hello_hear(peers, peer, msg, fds, wrong);
	if (!peer)
		return NULL;
	wr_admission_announce_all(node, peer);
	wr_peer_event(node, peer, WEIR_EV_NODE_JOINED, 0, NULL, 0);
	return peer;
}

/* From another node. 0, or < 0: it does not say that to us. */
static int
on_message(struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg,
	const int *fds)
{
	switch (msg->kind) {
	case WR_WIRE_SYNC:
		peer->synced = true;
		return 0;
	case WR_WIRE_ANNOUNCE:
		return wr_remote_announced(node, peer, msg);
	case WR_WIRE_ANNOUNCED:
		(void)wr_peer_answered(peer, msg->stream);
		return 0;
	case WR_WIRE_ATTACH:
		wr_admission_attach(node, peer, msg);
		return 0;
	case WR_WIRE_ATTACHED:
		wr_remote_attached(node, peer, msg, fds[0]);
		return 0;
	case WR_WIRE_REFUSED:
		wr_remote_refused(node, peer, msg);
		return 0;
	case WR_WIRE_MAPPED:
		wr_admission_mapped(node, peer, msg);
		return 0;
	case WR_WIRE_DETACH:
		wr_admission_detach(node, peer, msg);
		return 0;
	case WR_WIRE_DETACHED:
		wr_remote_detached(node, peer, msg);
		return 0;
	case WR_WIRE_MOVED:
		return wr_remote_moved(node, peer, msg, fds[0]);
	case WR_WIRE_VERDICT:
		wr_remote_verdict(node, peer, msg);
		return 0;
	case WR_WIRE_ENDED:
		wr_remote_ended(node, peer, msg);
		return 0;
	case WR_WIRE_BYE:
		peer->bye = true;
		return 0;
	default:
		drop_fds(msg, fds);
		return -WEIR_E_PEER_PROTOCOL;
	}
}

/* Who was pending and has nothing open any more is admitted. */
static void
heard_from(struct wr_node *node, struct wr_peer *peer)
{
	if (!peer->silent || wr_peer_busy(peer))
		return;
	peer->silent = false;
	wr_peer_event(node, peer, WEIR_EV_ADMITTED, 0, NULL, 0);
}

struct wr_peer *
wr_parley_hear(struct wr_peers *peers, struct wr_peer *peer, const struct wr_wire *msg,
	const int *fds, int *wrong)
{
	*wrong = 0;
	if (msg->kind == WR_WIRE_HELLO)
		return on_hello(peers, peer, msg, fds, wrong);
	if (peer->state == WR_PEER_LOOKER ||
		(peer->state == WR_PEER_GUEST &&
			(msg->kind == WR_WIRE_LOOK || msg->kind == WR_WIRE_ASK))) {
		peer->state = WR_PEER_LOOKER;
		*wrong = wr_exhibit(peers->node, peer, msg);
		drop_fds(msg, fds);
		return *wrong < 0 ? NULL : peer;
	}
	if (peer->state != WR_PEER_UP) {
		*wrong = -WEIR_E_PEER_PROTOCOL;
		drop_fds(msg, fds);
		return NULL;
	}
	*wrong = on_message(peers->node, peer, msg, fds);
	if (*wrong < 0)
		return NULL;
	heard_from(peers->node, peer);
	return peer;
}

/* ---- partings ----------------------------------------------------------------------------- */

void
wr_parley_gone(struct wr_node *node, struct wr_peer *peer, enum weir_event_kind how)
{
	bool known = peer->state == WR_PEER_UP || peer->state == WR_PEER_LOST;

	wr_admission_revoke(node, peer, how);
	wr_remote_bereave(node, peer, how);
	if (known)
		wr_peer_event(node, peer, how, 0, NULL, 0);
	wr_peer_reset(peer);
}

void
wr_parley_tell_left(struct wr_peers *peers)
{
	for (struct wr_legacy *left = peers->node->legacies; left; left = left->next) {
		for (int i = 0; !left->told && peers->at[i]; i++)
			if (peers->at[i]->state == WR_PEER_UP)
				wr_admission_announce_left(peers->at[i], left);
		left->told = true;
	}
}

bool
wr_parley_bound(struct wr_node *node, const struct wr_peer *peer)
{
	return peer->links || wr_admission_stands(node, peer);
}

void
wr_parley_lost(struct wr_node *node, struct wr_peer *peer)
{
	peer->state = WR_PEER_LOST;
	peer->since_ns = wr_now_ns();
	wr_admission_suspend(node, peer);
}
