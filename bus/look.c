/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Looking without touching (include/weir/look.h). A looker asks the stewards what there
 * is, maps the regions of streams, and reads them without announcing anything: a segment
 * may be taken from under it at any time. So it copies first and then checks that the
 * segment still is what it was; if not, the copy is thrown away.
 */
#include "bus/look.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/error.h"
#include "bus/os/clock.h"
#include "bus/rundir.h"
#include "bus/topic.h"

enum { TRIES = 16 /* at a segment that a publisher may take meanwhile */ };

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

struct tap *
wr_look_tap(const weir_look *look, uint64_t stream)
{
	for (size_t i = 0; i < look->tap_count; i++)
		if (look->taps[i]->stream == stream)
			return look->taps[i];
	return NULL;
}

static void
free_tap(struct tap *tap)
{
	while (tap->region_count > 0)
		wr_store_unref(tap->regions[--tap->region_count]);
	free(tap->regions);
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

/* Regions that nobody stands in any more, as far as their publisher knows. */
static void
drop_older(struct tap *tap, uint64_t first_ord)
{
	size_t gone = 0;

	while (gone + 1 < tap->region_count && tap->regions[gone]->first_ord < first_ord &&
		tap->regions[gone] != tap->at.store)
		wr_store_unref(tap->regions[gone++]);
	tap->region_count -= gone;
	memmove(tap->regions, tap->regions + gone,
		tap->region_count * sizeof(*tap->regions));
}

static void
link_regions(struct wr_store *store, struct wr_store *next)
{
	struct wr_store *former = wr_load_relaxed(move_adopt, &store->following);

	if (former == next)
		return;
	wr_store_follow(store, next ? wr_store_ref(next) : NULL);
	wr_store_unref(former);
}

/* Puts a region in its place among the others. False: it is there already, or there is no
 * memory. */
static bool
add_region(struct tap *tap, struct wr_store *store)
{
	size_t i = tap->region_count;

	while (i > 0 && tap->regions[i - 1]->first_ord >= store->first_ord)
		i--;
	if (i < tap->region_count && tap->regions[i]->first_ord == store->first_ord)
		return false;
	if (!wr_look_grow(&tap->regions, tap->region_count, sizeof(*tap->regions)))
		return false;
	memmove(tap->regions + i + 1, tap->regions + i,
		(tap->region_count++ - i) * sizeof(*tap->regions));
	tap->regions[i] = store;
	if (i > 0)
		link_regions(tap->regions[i - 1], store);
	if (i + 1 < tap->region_count)
		link_regions(store, tap->regions[i + 1]);
	return true;
}

static bool
has_region(const struct tap *tap, uint64_t first_ord)
{
	for (size_t i = 0; i < tap->region_count; i++)
		if (tap->regions[i]->first_ord == first_ord)
			return true;
	return false;
}

/* The stream goes on in a region that we did not know. */
static void
begin_region(weir_look *look, struct tap *tap)
{
	bool first = !tap->store;

	tap->store = tap->regions[tap->region_count - 1];
	/* Nowhere in it yet; what was missed is told by the number that comes next. */
	tap->at = (struct wr_walk){.store = tap->store,
		.off = tap->store->first,
		.ord = UINT64_MAX,
		.seq = tap->at.seq};
	tap->asked = false;
	if (first && look->following && wr_pattern_match(look->pattern, tap->topic))
		begin_following(look, tap);
	else if (tap->followed)
		(void)stand_again(tap);
}

/* The region of a stream has arrived: the newest, or, where it was asked who reads it, one
 * in which somebody still stands. */
static void
take_region(weir_look *look, const struct wr_wire *msg, int fd)
{
	struct tap *tap = wr_look_tap(look, msg->stream);
	struct wr_store *store;

	if (!tap || (tap->telling && has_region(tap, msg->count[0]))) {
		if (tap && msg->count[0] < tap->oldest_told)
			tap->oldest_told = msg->count[0];
		close(fd);
		return;
	}
	if (wr_store_map(&store, fd, msg->bytes, NULL) < 0)
		return;
	close(store->region.fd); /* the mapping is enough */
	store->region.fd = -1;
	if (tap->telling && store->first_ord < tap->oldest_told)
		tap->oldest_told = store->first_ord;
	if (!add_region(tap, store)) {
		wr_store_unref(store); /* the same one again */
		return;
	}
	if (tap->regions[tap->region_count - 1] != tap->store)
		begin_region(look, tap);
	if (!tap->telling)
		drop_older(tap, tap->store->first_ord);
}

/* The words of a node: a copy of what describes them is checked, and they are used where
 * they lie. */
static void
take_words(struct looked *from, const struct wr_wire *msg, int fd)
{
	struct wr_region words;
	struct wr_node_hdr hdr;

	if (from->words.mem || msg->bytes != WR_NODE_BYTES) {
		close(fd);
		return;
	}
	if (wr_region_map(&words, fd, WR_NODE_BYTES, NULL) < 0)
		return;
	close(words.fd);
	words.fd = -1;
	memcpy(&hdr, words.mem, sizeof(hdr));
	if (hdr.magic == WR_NODE_MAGIC && hdr.layout == WR_LAYOUT &&
		hdr.node == from->node && hdr.header_bytes == WR_PAGE)
		from->words = words;
	else
		wr_region_drop(&words);
}

/* Its owner may be anybody: who reads it checks that it is a roster. */
static void
take_roster(struct looked *from, const struct wr_wire *msg, int fd)
{
	if (from->roster.mem) {
		close(fd);
		return;
	}
	if (wr_region_map(&from->roster, fd, msg->bytes, NULL) < 0)
		return;
	close(from->roster.fd);
	from->roster.fd = -1;
}

/* All who read a stream have been named. */
static void
take_end_of_readers(weir_look *look, uint64_t stream)
{
	struct tap *tap = wr_look_tap(look, stream);

	if (!tap || !tap->telling)
		return;
	tap->telling = false;
	drop_older(tap, tap->oldest_told);
}

/* ---- conversations ----------------------------------------------------------------------- */

void
wr_look_ask(struct looked *looked, enum wr_wire_kind kind, uint64_t stream)
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

struct looked *
wr_look_find(weir_look *look, uint64_t node)
{
	for (size_t i = 0; i < look->looked_count; i++)
		if (look->looked[i].node == node)
			return &look->looked[i];
	return NULL;
}

/* Grows an array by one; false without memory. */
bool
wr_look_grow(void *array, size_t count, size_t size)
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

	if (!wr_look_grow(&look->streams, look->stream_count, sizeof(*stream)))
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
	stream->stall_cap_ns = msg->count[1];
	stream->restricted = msg->over != 0;
	memcpy(stream->readers, msg->name, sizeof(stream->readers));
	from->info.streams++;

	tap = wr_look_tap(look, msg->stream);
	if (!tap)
		tap = add_tap(look, msg->stream, from->node, msg->topic);
	if (!tap)
		return;
	tap->seen = true;
	if (!tap->store || tap->store->region.bytes != msg->bytes)
		wr_look_ask(from, WR_WIRE_SHOW, msg->stream);
}

static void
take_sub(weir_look *look, struct looked *from, const struct wr_wire *msg)
{
	weir_look_sub *sub;

	if (!wr_look_grow(&look->subs, look->sub_count, sizeof(*sub)))
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
		if (look->taps[i]->node == node) {
			look->taps[i]->alone = true;
			look->taps[i]->telling = false;
		}
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
			if (msg.stream == 0)
				take_words(from, &msg, fds[0]);
			else
				take_region(look, &msg, fds[0]);
			break;
		case WR_WIRE_READER:
			wr_account_told(look, &msg);
			break;
		case WR_WIRE_ROSTER:
			take_roster(from, &msg, fds[0]);
			from->mute = !from->roster.mem;
			break;
		case WR_WIRE_REFUSED:
			from->mute |= msg.stream == 0;
			break;
		case WR_WIRE_DONE:
			if (msg.stream == 0)
				from->done = true;
			else
				take_end_of_readers(look, msg.stream);
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
void
wr_look_hear(weir_look *look, int ms)
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

void
wr_look_meet(weir_look *look, uint64_t node)
{
	struct looked *looked = wr_look_find(look, node);
	struct wr_creds creds;
	int fd;

	if (looked)
		return;
	if (wr_rundir_connect(look->dirfd, node, &fd) < 0)
		return; /* it died, or may not be looked at */
	if (!wr_look_grow(&look->looked, look->looked_count, sizeof(*looked))) {
		close(fd);
		return;
	}
	looked = &look->looked[look->looked_count++];
	memset(looked, 0, sizeof(*looked));
	looked->node = node;
	looked->fd = fd;
	looked->words = looked->roster = WR_REGION_NONE;
	/* Who is stopped says nothing; the kernel knows at least whose socket it is. */
	if (wr_peer_creds(fd, &creds) == 0) {
		looked->info.pid = (uint32_t)creds.pid;
		looked->info.uid = (uint32_t)creds.uid;
	}
}

static void
drop_looked(struct looked *looked)
{
	if (looked->fd >= 0)
		close(looked->fd);
	wr_region_drop(&looked->words);
	wr_region_drop(&looked->roster);
}

static void
forget_gone(weir_look *look)
{
	size_t kept = 0;

	for (size_t i = 0; i < look->looked_count; i++)
		if (look->looked[i].fd >= 0)
			look->looked[kept++] = look->looked[i];
		else
			drop_looked(&look->looked[i]);
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

		if (!wr_look_grow(&look->nodes, look->node_count, sizeof(*look->nodes)))
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
		const struct tap *tap = wr_look_tap(look, stream->publisher);
		struct tap eye;

		if (!tap || !tap->store)
			continue;
		stream->keep_messages = tap->store->hdr->keep_messages;
		stream->keep_bytes = tap->store->hdr->keep_bytes;
		stream->ttl_ns = tap->store->hdr->ttl_ns;
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
		drop_looked(&look->looked[i]);
	for (size_t i = 0; i < look->tap_count; i++)
		free_tap(look->taps[i]);
	if (look->dirfd >= 0)
		close(look->dirfd);
	free(look->looked);
	free(look->taps);
	free(look->nodes);
	free(look->streams);
	free(look->subs);
	free(look->accounts);
	free(look->readers);
	free(look->loops);
	free(look->consumers);
	free(look);
}

int
weir_look_refresh(weir_look *look, int timeout_ms)
{
	uint64_t deadline =
		wr_now_ns() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000000;
	uint64_t ids[WEIR_PROCESSES_MAX];
	int count;

	if (look->within)
		return (int)look->node_count;
	count = wr_rundir_scan(look->dirfd, ids, WEIR_PROCESSES_MAX);
	if (count < 0)
		return count;
	for (int i = 0; i < count && i < WEIR_PROCESSES_MAX; i++)
		wr_look_meet(look, ids[i]);
	look->stream_count = look->sub_count = 0;
	for (size_t i = 0; i < look->tap_count; i++)
		look->taps[i]->seen = false;
	for (size_t i = 0; i < look->looked_count; i++) {
		look->looked[i].done = false;
		look->looked[i].info.streams = look->looked[i].info.subscriptions = 0;
		wr_look_ask(&look->looked[i], WR_WIRE_LOOK, 0);
	}
	while (awaits(look)) {
		uint64_t now = wr_now_ns();

		if (now >= deadline)
			break;
		wr_look_hear(look, (int)((deadline - now) / 1000000) + 1);
	}
	forget_gone(look);
	collect_nodes(look);
	count_streams(look);
	return (int)look->node_count;
}

/* How many rosters are still to come. */
static size_t
calling(const weir_look *look)
{
	size_t count = 0;

	for (size_t i = 0; i < look->looked_count; i++) {
		const struct looked *looked = &look->looked[i];

		count += looked->fd >= 0 && looked->done && looked->called &&
			!looked->mute && !looked->roster.mem;
	}
	return count;
}

void
wr_look_call(weir_look *look, int timeout_ms)
{
	uint64_t deadline_ns =
		wr_now_ns() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000000;

	for (size_t i = 0; i < look->looked_count; i++) {
		struct looked *looked = &look->looked[i];

		if (!looked->called)
			wr_look_ask(looked, WR_WIRE_CALL, 0);
		looked->called = true;
	}
	for (uint64_t now = wr_now_ns(); calling(look) > 0 && now < deadline_ns;
		now = wr_now_ns())
		wr_look_hear(look, (int)((deadline_ns - now) / 1000000) + 1);
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
	struct looked *from = wr_look_find(look, tap->node);
	uint64_t word;

	if (wr_walk_look(&tap->at, &word)) {
		if (wr_word_kind(word) != WR_MOVE)
			return 0; /* it came just now */
		if (tap->alone || !from)
			return -WEIR_E_GONE_END;
		if (!tap->asked)
			wr_look_ask(from, WR_WIRE_SHOW, tap->stream);
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
		wr_look_hear(look, 0); /* a hang-up, or a region that was asked for */
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
