/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/hub.h"

#include <stdlib.h>
#include <string.h>

#include "bus/error.h"
#include "bus/legacy.h"

struct wr_hub {
	pthread_mutex_t lock; /* the tables of all its nodes */
	char name[WR_NAME_BYTES];
	struct wr_node *nodes;
	uint32_t node_count;
	uint32_t stream_count;
	struct wr_hub *next;
};

static pthread_mutex_t hubs_lock = PTHREAD_MUTEX_INITIALIZER;
static struct wr_hub *hubs;

static struct wr_hub *
hub_of(struct wr_node *node)
{
	return node->meeting;
}

static void
tell_others(struct wr_hub *hub, struct wr_node *node, enum weir_event_kind kind)
{
	for (struct wr_node *other = hub->nodes; other; other = other->next)
		if (other != node)
			wr_node_event(other, kind, 0, node->name, node->pid, node->uid,
				NULL, 0);
}

static int
hub_advertise(struct wr_node *node, struct wr_stream *stream, uint64_t deadline_ns,
	struct weir_error *err)
{
	struct wr_hub *hub = hub_of(node);
	int rc = 0;

	(void)deadline_ns;
	pthread_mutex_lock(&hub->lock);
	if (hub->stream_count == WEIR_TOPICS_MAX) {
		rc = wr_error_set(err, WEIR_E_AGAIN_QUOTA, 0, "the bus has %d topics",
			WEIR_TOPICS_MAX);
	} else {
		hub->stream_count++;
		wr_node_add_stream(node, stream);
	}
	for (struct wr_node *other = hub->nodes; other && rc == 0; other = other->next)
		for (struct wr_subscription *sub = other->subs; sub; sub = sub->next)
			(void)wr_join_local(sub, stream, NULL);
	pthread_mutex_unlock(&hub->lock);
	return rc;
}

static void
hub_unadvertise(struct wr_node *node, struct wr_stream *stream, uint64_t deadline_ns)
{
	struct wr_hub *hub = hub_of(node);

	(void)deadline_ns;
	pthread_mutex_lock(&hub->lock);
	wr_node_remove_stream(node, stream);
	hub->stream_count--;
	for (struct wr_node *other = hub->nodes; other; other = other->next)
		for (struct wr_subscription *sub = other->subs; sub; sub = sub->next)
			for (struct wr_link *link = sub->links; link; link = link->next) {
				if (link->local != stream)
					continue;
				link->local = NULL;
				wr_legacy_keep(other, link);
				wr_node_event(other, WEIR_EV_PUB_LEFT, 0, node->name,
					node->pid, node->uid, link->topic, stream->id);
			}
	pthread_mutex_unlock(&hub->lock);
}

static int
hub_subscribe(struct wr_node *node, struct wr_subscription *sub, uint64_t deadline_ns,
	struct weir_error *err)
{
	struct wr_hub *hub = hub_of(node);
	int rc = 0;

	(void)deadline_ns;
	pthread_mutex_lock(&hub->lock);
	wr_node_add_sub(node, sub);
	for (struct wr_node *other = hub->nodes; other && rc == 0; other = other->next)
		for (struct wr_stream *stream = other->streams; stream && rc == 0;
			stream = stream->next)
			rc = wr_join_local(sub, stream, err);
	for (struct wr_node *other = hub->nodes; other && rc == 0; other = other->next)
		for (struct wr_legacy *left = other->legacies; left && rc == 0;
			left = left->next)
			rc = wr_legacy_join(sub, left, err);
	pthread_mutex_unlock(&hub->lock);
	return rc;
}

/* Every link here is local: there is nobody else to tell. */
static void
hub_leave(struct wr_node *node, struct wr_link *link)
{
	wr_node_slot_give(node, link->slot);
	free(link);
}

static int
hub_turn(struct wr_node *node, int timeout_ms)
{
	(void)node;
	(void)timeout_ms;
	return 0;
}

static int
hub_pending(struct wr_node *node, char *names, size_t size)
{
	(void)node;
	if (size > 0)
		names[0] = 0;
	return 0;
}

static int
hub_watch(struct wr_node *node, struct wr_poller *poller)
{
	return wr_bell_watch(poller, node->bell_fd);
}

static void
hub_close(struct wr_node *node, uint64_t deadline_ns)
{
	struct wr_hub *hub = hub_of(node);

	(void)deadline_ns;
	pthread_mutex_lock(&hubs_lock);
	pthread_mutex_lock(&hub->lock);
	for (struct wr_node **at = &hub->nodes; *at; at = &(*at)->next)
		if (*at == node) {
			*at = node->next;
			hub->node_count--;
			break;
		}
	tell_others(hub, node, WEIR_EV_NODE_LEFT);
	pthread_mutex_unlock(&hub->lock);
	if (hub->node_count == 0) {
		for (struct wr_hub **at = &hubs; *at; at = &(*at)->next)
			if (*at == hub) {
				*at = hub->next;
				break;
			}
		pthread_mutex_destroy(&hub->lock);
		free(hub);
	}
	pthread_mutex_unlock(&hubs_lock);
	node->lock = &node->own_lock;
}

static const struct wr_meeting_ops hub_ops = {
	.advertise = hub_advertise,
	.unadvertise = hub_unadvertise,
	.subscribe = hub_subscribe,
	.leave = hub_leave,
	.turn = hub_turn,
	.close = hub_close,
	.pending = hub_pending,
	.watch = hub_watch,
};

int
wr_hub_open(struct wr_node *node, struct weir_error *err)
{
	struct wr_hub *hub;
	int rc = 0;

	pthread_mutex_lock(&hubs_lock);
	for (hub = hubs; hub && strcmp(hub->name, node->bus) != 0; hub = hub->next)
		;
	if (!hub) {
		hub = calloc(1, sizeof(*hub));
		if (!hub) {
			rc = wr_error_set(
				err, WEIR_E_ENV_MEMORY, 0, "no memory for a bus");
			goto out;
		}
		pthread_mutex_init(&hub->lock, NULL);
		memcpy(hub->name, node->bus, sizeof(hub->name));
		hub->next = hubs;
		hubs = hub;
	}
	if (hub->node_count == WEIR_PROCESSES_MAX) {
		rc = wr_error_set(err, WEIR_E_AGAIN_QUOTA, 0,
			"bus '%s' has %d nodes already", node->bus, WEIR_PROCESSES_MAX);
		goto out;
	}
	node->ops = &hub_ops;
	node->meeting = hub;
	node->lock = &hub->lock;
	pthread_mutex_lock(&hub->lock);
	node->next = hub->nodes;
	hub->nodes = node;
	hub->node_count++;
	tell_others(hub, node, WEIR_EV_NODE_JOINED);
	pthread_mutex_unlock(&hub->lock);
out:
	pthread_mutex_unlock(&hubs_lock);
	return rc;
}

void
wr_hub_forget(void)
{
	pthread_mutex_init(&hubs_lock, NULL);
	hubs = NULL;
}
