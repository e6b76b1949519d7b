/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Looking without touching (include/weir/look.h). A looker asks the stewards what there
 * is, maps the regions of streams, and reads them without announcing anything: a segment
 * may be taken from under it at any time. So it copies first and then checks that the
 * segment still is what it was; if not, the copy is thrown away.
 */
#include <weir/look.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/error.h"
#include "bus/os/clock.h"
#include "bus/rundir.h"
#include "bus/store.h"
#include "bus/topic.h"
#include "bus/walk.h"
#include "bus/wire.h"

/* A connection to one process. */
struct looked {
	uint64_t node;
	int fd;
	bool done; /* it has told everything since the last question */
	bool told; /* who it is */
	weir_look_node info;
};

/* A stream that is mapped, and where we read in it. */
enum { TRIES = 16 /* at a segment that a publisher may take meanwhile */ };

struct tap {
	uint64_t stream;
	uint64_t node;
	char topic[WR_NAME_BYTES];
	struct wr_store *store;
	bool followed;
	bool asked; /* for a newer region */
	bool alone; /* its publisher has hung up: what is there is all */
	bool ended;
	bool seen; /* in the present refresh */
	struct wr_walk at;
	uint64_t lost;
};

struct weir_look {
	int dirfd;
	char pattern[WR_NAME_BYTES];
	bool following;
	bool from_oldest;
	struct looked *looked;
	size_t looked_count;
	weir_look_node *nodes;
	size_t node_count;
	weir_look_stream *streams;
	size_t stream_count;
	weir_look_sub *subs;
	size_t sub_count;
	struct tap **taps;
	size_t tap_count;
	size_t turn;
};

/* ---- reading a region from outside ---------------------------------------------------- */

/* Stands at the start of a segment; false if it has gone. What lies between it and where
 * the tap was before is missed. */
static bool
stand_at(struct tap *tap, uint64_t place)
{
	uint64_t seq = tap->at.seq;

	if (!wr_walk_stand(&tap->at, tap->store, place)) {
		tap->at.seq = seq;
		return false;
	}
	if (seq != 0 && tap->at.seq > seq)
		tap->lost += tap->at.seq - seq;
	return true;
}

/* The segment was taken from under us: on at the oldest, or the newest, live one. */
static bool
stand_again(struct tap *tap)
{
	for (int tries = 0; tries < TRIES; tries++) {
		const wr_a64 *hint = tries < TRIES / 2 ? &tap->store->hdr->oldest
						       : &tap->store->hdr->head;

		if (stand_at(tap, wr_load_acquire(overrun_oldest, hint)))
			return true;
	}
	return false;
}

/* Stands behind the newest message. */
static bool
stand_at_end(struct tap *tap, uint64_t *last_ns)
{
	for (int tries = 0; tries < TRIES; tries++) {
		uint64_t word;

		tap->at.seq = 0;
		if (!stand_at(tap, wr_load_acquire(overrun_head, &tap->store->hdr->head)))
			continue;
		while (wr_walk_to_message(&tap->at, &word) == 1) {
			*last_ns = wr_load_relaxed(
				read_stamp, &wr_walk_frame(&tap->at)->stamp);
			wr_walk_pass(&tap->at, word);
		}
		if (wr_walk_is_there(&tap->at))
			return true;
	}
	return false;
}

/* ---- taps ------------------------------------------------------------------------------ */

static struct tap *
find_tap(const weir_look *look, uint64_t stream)
{
	for (size_t i = 0; i < look->tap_count; i++)
		if (look->taps[i]->stream == stream)
			return look->taps[i];
	return NULL;
}

static void
free_tap(struct tap *tap)
{
	wr_store_unref(tap->store);
	free(tap);
}

static struct tap *
add_tap(weir_look *look, uint64_t stream, uint64_t node, const char *topic)
{
	struct tap **grown = realloc(look->taps, (look->tap_count + 1) * sizeof(*grown));
	struct tap *tap;

	if (!grown)
		return NULL;
	look->taps = grown;
	tap = calloc(1, sizeof(*tap));
	if (!tap)
		return NULL;
	tap->stream = stream;
	tap->node = node;
	memcpy(tap->topic, topic, sizeof(tap->topic));
	look->taps[look->tap_count++] = tap;
	return tap;
}

static void
begin_following(weir_look *look, struct tap *tap)
{
	uint64_t last_ns = 0;

	tap->followed = true;
	tap->at.seq = 0;
	tap->lost = 0;
	if (look->from_oldest)
		(void)stand_again(tap);
	else
		(void)stand_at_end(tap, &last_ns);
	tap->lost = 0;
}

/* The region of a stream has arrived; it may be a newer one than we had. */
static void
take_region(weir_look *look, const struct wr_wire *msg, int fd)
{
	struct tap *tap = find_tap(look, msg->stream);
	struct wr_store *store;
	bool first;

	if (!tap) {
		close(fd);
		return;
	}
	if (wr_store_map(&store, fd, msg->bytes, NULL) < 0)
		return;
	close(store->region.fd); /* the mapping is enough */
	store->region.fd = -1;
	first = !tap->store;
	if (!first && store->first_ord == tap->store->first_ord) {
		wr_store_unref(store); /* the same one again */
		return;
	}
	wr_store_unref(tap->store);
	tap->store = store;
	/* Nowhere in it yet; what was missed is told by the number that comes next. */
	tap->at = (struct wr_walk){
		.store = store, .off = store->first, .ord = UINT64_MAX, .seq = tap->at.seq};
	tap->asked = false;
	if (first && look->following && wr_pattern_match(look->pattern, tap->topic))
		begin_following(look, tap);
	else if (tap->followed)
		(void)stand_again(tap);
}

/* ---- conversations ----------------------------------------------------------------------- */

static void
ask(struct looked *looked, enum wr_wire_kind kind, uint64_t stream)
{
	struct wr_wire msg = {.magic = WR_WIRE_MAGIC,
		.layout = WR_LAYOUT,
		.kind = (uint16_t)kind,
		.stream = stream};

	if (looked->fd >= 0 && wr_wire_send(looked->fd, &msg, NULL) == -WEIR_E_PEER_DIED) {
		close(looked->fd);
		looked->fd = -1;
	}
}

static struct looked *
find_looked(weir_look *look, uint64_t node)
{
	for (size_t i = 0; i < look->looked_count; i++)
		if (look->looked[i].node == node)
			return &look->looked[i];
	return NULL;
}

/* Grows an array by one; false without memory. */
static bool
grow(void *array, size_t count, size_t size)
{
	void **at = array;
	void *grown = realloc(*at, (count + 1) * size);

	if (grown)
		*at = grown;
	return grown != NULL;
}

static void
take_stream(weir_look *look, struct looked *from, const struct wr_wire *msg)
{
	weir_look_stream *stream;
	struct tap *tap;

	if (!grow(&look->streams, look->stream_count, sizeof(*stream)))
		return;
	stream = &look->streams[look->stream_count++];
	memset(stream, 0, sizeof(*stream));
	stream->publisher = msg->stream;
	stream->node = from->node;
	stream->pid = msg->pid;
	stream->subscribers = (uint32_t)msg->count[0];
	stream->max_message = msg->max_message;
	stream->type_hash = msg->type_hash;
	stream->segment_bytes = msg->seg_bytes;
	stream->window_bytes = msg->window;
	stream->region_bytes = msg->bytes;
	memcpy(stream->topic, msg->topic, sizeof(stream->topic));
	memcpy(stream->type, msg->type, sizeof(stream->type));
	from->info.streams++;

	tap = find_tap(look, msg->stream);
	if (!tap)
		tap = add_tap(look, msg->stream, from->node, msg->topic);
	if (!tap)
		return;
	tap->seen = true;
	if (!tap->store || tap->store->region.bytes != msg->bytes)
		ask(from, WR_WIRE_SHOW, msg->stream);
}

static void
take_sub(weir_look *look, struct looked *from, const struct wr_wire *msg)
{
	weir_look_sub *sub;

	if (!grow(&look->subs, look->sub_count, sizeof(*sub)))
		return;
	sub = &look->subs[look->sub_count++];
	memset(sub, 0, sizeof(*sub));
	sub->node = from->node;
	sub->pid = msg->pid;
	sub->streams = msg->slot;
	sub->delivered = msg->count[0];
	sub->lost = msg->count[1];
	memcpy(sub->pattern, msg->topic, sizeof(sub->pattern));
	from->info.subscriptions++;
}

static void
orphan(weir_look *look, uint64_t node)
{
	for (size_t i = 0; i < look->tap_count; i++)
		if (look->taps[i]->node == node)
			look->taps[i]->alone = true;
}

static void
hang_up(weir_look *look, struct looked *from)
{
	if (from->fd >= 0)
		close(from->fd);
	from->fd = -1;
	from->done = true;
	orphan(look, from->node);
}

static void
hear(weir_look *look, struct looked *from)
{
	struct wr_wire msg;
	int fds[WR_WIRE_FDS];
	int rc;

	while (from->fd >= 0 && (rc = wr_wire_recv(from->fd, &msg, fds)) != 0) {
		if (rc < 0) {
			hang_up(look, from);
			return;
		}
		switch (msg.kind) {
		case WR_WIRE_NODE:
			from->told = true;
			from->info.node = from->node;
			from->info.pid = msg.pid;
			from->info.uid = (uint32_t)msg.count[0];
			memcpy(from->info.name, msg.name, sizeof(from->info.name));
			break;
		case WR_WIRE_STREAM:
			take_stream(look, from, &msg);
			break;
		case WR_WIRE_SUB:
			take_sub(look, from, &msg);
			break;
		case WR_WIRE_SHOWN:
			take_region(look, &msg, fds[0]);
			break;
		case WR_WIRE_DONE:
			from->done = true;
			break;
		default:
			for (int i = 0; i < wr_wire_fds(msg.kind); i++)
				close(fds[i]);
			break;
		}
	}
}

/* True while somebody still has to answer, or a region is on its way. */
static bool
awaits(const weir_look *look)
{
	for (size_t i = 0; i < look->looked_count; i++)
		if (look->looked[i].fd >= 0 && !look->looked[i].done)
			return true;
	for (size_t i = 0; i < look->tap_count; i++)
		if (look->taps[i]->seen && !look->taps[i]->store && !look->taps[i]->alone)
			return true;
	return false;
}

/* Hears everybody who has something to say, within ms. */
static void
hear_all(weir_look *look, int ms)
{
	struct pollfd *fds = calloc(look->looked_count + 1, sizeof(*fds));

	if (!fds)
		return;
	for (size_t i = 0; i < look->looked_count; i++) {
		fds[i].fd = look->looked[i].fd;
		fds[i].events = POLLIN;
	}
	if (poll(fds, (nfds_t)look->looked_count, ms) > 0)
		for (size_t i = 0; i < look->looked_count; i++)
			if (fds[i].revents != 0)
				hear(look, &look->looked[i]);
	free(fds);
}

static void
meet_node(weir_look *look, uint64_t node)
{
	struct looked *looked = find_looked(look, node);
	struct wr_creds creds;
	int fd;

	if (looked)
		return;
	if (wr_rundir_connect(look->dirfd, node, &fd) < 0)
		return; /* it died, or may not be looked at */
	if (!grow(&look->looked, look->looked_count, sizeof(*looked))) {
		close(fd);
		return;
	}
	looked = &look->looked[look->looked_count++];
	memset(looked, 0, sizeof(*looked));
	looked->node = node;
	looked->fd = fd;
	/* Who is stopped says nothing; the kernel knows at least whose socket it is. */
	if (wr_peer_creds(fd, &creds) == 0) {
		looked->info.pid = (uint32_t)creds.pid;
		looked->info.uid = (uint32_t)creds.uid;
	}
}

static void
forget_gone(weir_look *look)
{
	size_t kept = 0;

	for (size_t i = 0; i < look->looked_count; i++)
		if (look->looked[i].fd >= 0)
			look->looked[kept++] = look->looked[i];
	look->looked_count = kept;
	kept = 0;
	for (size_t i = 0; i < look->tap_count; i++) {
		struct tap *tap = look->taps[i];

		if (tap->seen || (tap->followed && !tap->ended))
			look->taps[kept++] = tap;
		else
			free_tap(tap);
	}
	look->tap_count = kept;
}

static void
collect_nodes(weir_look *look)
{
	look->node_count = 0;
	for (size_t i = 0; i < look->looked_count; i++) {
		struct looked *looked = &look->looked[i];

		if (!grow(&look->nodes, look->node_count, sizeof(*look->nodes)))
			return;
		looked->info.node = looked->node;
		looked->info.silent = !looked->done;
		look->nodes[look->node_count++] = looked->info;
	}
}

static void
count_streams(weir_look *look)
{
	for (size_t i = 0; i < look->stream_count; i++) {
		weir_look_stream *stream = &look->streams[i];
		const struct tap *tap = find_tap(look, stream->publisher);
		struct tap eye;

		if (!tap || !tap->store)
			continue;
		eye = *tap;
		if (stand_at_end(&eye, &stream->last_ns))
			stream->claimed = eye.at.seq;
	}
}

/* ---- the public face ------------------------------------------------------------------------ */

weir_look *
weir_look_open(const char *name, const char *dir, weir_error *err)
{
	struct wr_rundir_opts where = {.dir = dir, .bus = name, .look = true};
	weir_look *look;
	char path[256];

	if (!name || wr_name_check(name) < 0) {
		wr_error_set(err, WEIR_E_USAGE_NAME, 0, "'%s' is not a bus name",
			name ? name : "(null)");
		return NULL;
	}
	look = calloc(1, sizeof(*look));
	if (!look) {
		wr_error_set(err, WEIR_E_ENV_MEMORY, 0, "no memory for a look");
		return NULL;
	}
	if (wr_rundir_open(&where, &look->dirfd, path, sizeof(path), err) < 0) {
		free(look);
		return NULL;
	}
	return look;
}

void
weir_look_close(weir_look *look)
{
	if (!look)
		return;
	for (size_t i = 0; i < look->looked_count; i++)
		if (look->looked[i].fd >= 0)
			close(look->looked[i].fd);
	for (size_t i = 0; i < look->tap_count; i++)
		free_tap(look->taps[i]);
	close(look->dirfd);
	free(look->looked);
	free(look->taps);
	free(look->nodes);
	free(look->streams);
	free(look->subs);
	free(look);
}

int
weir_look_refresh(weir_look *look, int timeout_ms)
{
	uint64_t deadline =
		wr_now_ns() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000000;
	uint64_t ids[WEIR_PROCESSES_MAX];
	int count = wr_rundir_scan(look->dirfd, ids, WEIR_PROCESSES_MAX);

	if (count < 0)
		return count;
	for (int i = 0; i < count && i < WEIR_PROCESSES_MAX; i++)
		meet_node(look, ids[i]);
	look->stream_count = look->sub_count = 0;
	for (size_t i = 0; i < look->tap_count; i++)
		look->taps[i]->seen = false;
	for (size_t i = 0; i < look->looked_count; i++) {
		look->looked[i].done = false;
		look->looked[i].info.streams = look->looked[i].info.subscriptions = 0;
		ask(&look->looked[i], WR_WIRE_LOOK, 0);
	}
	while (awaits(look)) {
		uint64_t now = wr_now_ns();

		if (now >= deadline)
			break;
		hear_all(look, (int)((deadline - now) / 1000000) + 1);
	}
	forget_gone(look);
	collect_nodes(look);
	count_streams(look);
	return (int)look->node_count;
}

const weir_look_node *
weir_look_nodes(const weir_look *look, size_t *count)
{
	*count = look->node_count;
	return look->nodes;
}

const weir_look_stream *
weir_look_streams(const weir_look *look, size_t *count)
{
	*count = look->stream_count;
	return look->streams;
}

const weir_look_sub *
weir_look_subs(const weir_look *look, size_t *count)
{
	*count = look->sub_count;
	return look->subs;
}

int
weir_look_follow(weir_look *look, const char *pattern, int from_oldest)
{
	if (!pattern || wr_pattern_check(pattern) < 0)
		return -WEIR_E_USAGE_NAME;
	wr_name_copy(look->pattern, pattern);
	look->following = true;
	look->from_oldest = from_oldest != 0;
	for (size_t i = 0; i < look->tap_count; i++)
		if (look->taps[i]->store && !look->taps[i]->followed &&
			wr_pattern_match(pattern, look->taps[i]->topic))
			begin_following(look, look->taps[i]);
	return 0;
}

/* Copies the message at the tap's place. 1, 0 if the segment was taken meanwhile. */
static int
copy_out(struct tap *tap, uint64_t word, void *buf, size_t size, weir_msg *msg)
{
	const struct wr_frame *frame = wr_walk_frame(&tap->at);
	uint32_t len = wr_word_len(word);

	memset(msg, 0, sizeof(*msg));
	msg->data = buf;
	msg->len = len;
	msg->seq = tap->at.seq;
	msg->time_ns = wr_load_relaxed(read_stamp, &frame->stamp);
	msg->publisher = tap->stream;
	msg->topic = tap->topic;
	WR_POINT(look_copy);
	if (len > 0 && size > 0)
		memcpy(buf, frame + 1, len < size ? len : size);
	return wr_walk_is_there(&tap->at);
}

/* Nothing more is visible where the tap stands: 0, or why there never will be. */
static int
at_end(weir_look *look, struct tap *tap)
{
	struct looked *from = find_looked(look, tap->node);
	uint64_t word;

	if (wr_walk_look(&tap->at, &word)) {
		if (wr_word_kind(word) != WR_MOVE)
			return 0; /* it came just now */
		if (tap->alone || !from)
			return -WEIR_E_GONE_END;
		if (!tap->asked)
			ask(from, WR_WIRE_SHOW, tap->stream);
		tap->asked = true;
		return 0;
	}
	if (!wr_walk_is_there(&tap->at))
		return 0;
	if (wr_word_extent(word) != 0)
		return -WEIR_E_PEER_PROTOCOL;
	if (!tap->alone && wr_load_acquire(end_look, &tap->store->hdr->closed) == 0)
		return 0;
	return wr_walk_look(&tap->at, &word) ? 0 : -WEIR_E_GONE_END;
}

/* Steps of one tap until it has a message. 1 a message, 0 nothing now, or < 0. */
static int
tap_next(weir_look *look, struct tap *tap, void *buf, size_t size, weir_msg *msg)
{
	uint64_t word;

	for (int tries = 0; tries < TRIES; tries++) {
		int rc = wr_walk_to_message(&tap->at, &word);

		if (rc == 0)
			return at_end(look, tap);
		if (rc < 0) {
			if (!stand_again(tap))
				return 0;
			continue;
		}
		if (!copy_out(tap, word, buf, size, msg))
			continue;
		msg->lost = tap->lost;
		tap->lost = 0;
		wr_walk_pass(&tap->at, word);
		return 1;
	}
	return 0; /* the publisher is faster than this loop */
}

int
weir_look_next(weir_look *look, void *buf, size_t size, weir_msg *msg)
{
	if (!buf && size > 0)
		return -WEIR_E_USAGE_INVAL;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < look->tap_count; i++) {
			struct tap *tap = look->taps[(look->turn + i) % look->tap_count];
			int rc;

			if (!tap->followed || tap->ended || !tap->store)
				continue;
			rc = tap_next(look, tap, buf, size, msg);
			if (rc == 0)
				continue;
			look->turn = (look->turn + i + 1) % look->tap_count;
			if (rc < 0) {
				tap->ended = true;
				memset(msg, 0, sizeof(*msg));
				msg->publisher = tap->stream;
				msg->topic = tap->topic;
				return rc;
			}
			return msg->len > size ? -WEIR_E_DATA_TRUNC : (int)msg->len;
		}
		hear_all(look, 0); /* a hang-up, or a region that was asked for */
	}
	return -WEIR_E_AGAIN_EMPTY;
}

int
weir_look_buses(const char *dir, char (*names)[WEIR_NAME_MAX + 1], size_t count)
{
	return wr_rundir_buses(dir, names, count, NULL);
}

int
weir_look_clean(const char *name, const char *dir, int remove, weir_error *err)
{
	struct wr_rundir_opts where = {.dir = dir, .bus = name, .look = true};
	char path[256];
	int dirfd, count;
	int rc;

	if (!name || wr_name_check(name) < 0)
		return wr_error_set(err, WEIR_E_USAGE_NAME, 0, "'%s' is not a bus name",
			name ? name : "(null)");
	rc = wr_rundir_open(&where, &dirfd, path, sizeof(path), err);
	if (rc < 0)
		return rc;
	count = wr_rundir_sweep(dirfd, remove != 0);
	close(dirfd);
	if (count < 0)
		wr_error_set(err, -count, 0, "cannot sweep %s", path);
	return count;
}
