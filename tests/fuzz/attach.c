/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A node of the bus as a hostile one would play it: it meets a bus of this process at its
 * socket and says messages in any order, with any numbers and descriptors, while it writes
 * into the memory that it has handed out. The bus may put it out; its own publisher and
 * subscriber go on, and nothing stays behind.
 *
 * The input: steps of a byte and its operands (see do_step).
 */
#include "bus/rundir.h"
#include "bus/wire.h"

#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	STEPS_MAX = 64,
	CONNECTIONS_MAX = 4,
	RUNS_MAX = 60, /* of one bus; what hung up without a word stays known to it */
	KNOWN_MAX = 4, /* ids that it has told us */
	STREAM_SEGS = 3,
	STREAM_BYTES = WR_STREAM_HEADER + WR_PAGE * STREAM_SEGS,
	OUR_STREAM = 0x51,
	LARGE = 60000 /* bytes of its own messages */
};

/* The bus that is talked to. */
static weir_bus *bus;
static weir_pub *pub;
static weir_sub *sub;
static int place = -1, runs, fds_before;
static uint64_t its_node, our_node;
static char dir[] = "/tmp/weir-fuzz-XXXXXX";

/* What we hand out: sealed, and written to by us through these. */
static int words_fd = -1, stream_fd = -1, null_fd = -1, loose_fd = -1, bell_fd = -1;
static uint8_t *words, *stream;

/* One connection, and what was heard on it. */
static int fd = -1;
static uint64_t known_stream[KNOWN_MAX], known_sub[KNOWN_MAX];
static uint64_t own_stream, sent, heard; /* of the bus's own publisher */

static int
sealed(const char *name, uint64_t bytes, uint8_t **mem)
{
	int memfd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	MUST(memfd >= 0 && ftruncate(memfd, (off_t)bytes) == 0);
	*mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	MUST(*mem != MAP_FAILED);
	MUST(fcntl(memfd, F_ADD_SEALS,
		     F_SEAL_SHRINK | F_SEAL_GROW | 0x10 /* FUTURE_WRITE */) == 0);
	return memfd;
}

static void
good_words(void)
{
	struct wr_node_hdr *hdr = (struct wr_node_hdr *)(void *)words;

	memset(words, 0, WR_PAGE + 64 * sizeof(struct wr_slot));
	hdr->magic = WR_NODE_MAGIC;
	hdr->layout = WR_LAYOUT;
	hdr->header_bytes = WR_PAGE;
	hdr->node = our_node;
	hdr->region_bytes = WR_NODE_BYTES;
	hdr->slots = WR_NODE_SLOTS;
	hdr->flag_offset = wr_node_flag_offset(our_node);
	hdr->pid = (uint32_t)getpid();
	strcpy(hdr->name, "hostile");
}

static void
good_stream(void)
{
	struct wr_stream_hdr *hdr = (struct wr_stream_hdr *)(void *)stream;
	struct wr_segment *seg = (struct wr_segment *)(void *)(stream + WR_STREAM_HEADER);

	memset(stream, 0, STREAM_BYTES);
	hdr->magic = WR_STREAM_MAGIC;
	hdr->layout = WR_LAYOUT;
	hdr->header_bytes = WR_STREAM_HEADER;
	hdr->stream = OUR_STREAM;
	hdr->node = our_node;
	hdr->region_bytes = STREAM_BYTES;
	hdr->window_bytes = WR_PAGE * STREAM_SEGS;
	hdr->first_ord = 1;
	hdr->seg_bytes = WR_PAGE;
	hdr->seg_count = STREAM_SEGS;
	hdr->first = WR_SEG_FIRST;
	hdr->align = WR_FRAME;
	hdr->max_message = 1024;
	strcpy(hdr->topic, "a.c");
	wr_stat_set(&seg->ord, 1);
	wr_stat_set(&hdr->head, wr_place(1, 0));
	wr_stat_set(&hdr->oldest, wr_place(1, 0));
}

/* Descriptors of the kinds that a bus opens; the fuzzer opens others when it likes. */
static int
open_fds(void)
{
	static const char *const kinds[] = {"socket:", "/memfd:", "anon_inode:"};
	DIR *list = opendir("/proc/self/fd");
	struct dirent *entry;
	int count = 0;

	MUST(list);
	while ((entry = readdir(list))) {
		char what[64];
		ssize_t n =
			readlinkat(dirfd(list), entry->d_name, what, sizeof(what) - 1);

		what[n > 0 ? n : 0] = '\0';
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			count += !strncmp(what, kinds[i], strlen(kinds[i]));
	}
	closedir(list);
	return count;
}

static void
start(void)
{
	weir_bus_opts opts = {.size = sizeof(opts),
		.name = "bus",
		.dir = dir,
		.attach_ms = 1,
		.close_ms = 1,
		.flags = WEIR_BUS_NO_THREAD | WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET};
	weir_pub_opts pub_opts = {.size = sizeof(pub_opts),
		.topic = "a.b",
		.window = 1u << 20,
		.wait_ms = WEIR_NEVER};
	weir_sub_opts sub_opts = {.size = sizeof(sub_opts), .topic = "a.>"};
	struct wr_rundir_opts at = {.dir = dir, .bus = "bus", .look = true};

	fds_before = open_fds();
	bus = weir_open_(&opts);
	pub = weir_advertise_(bus, &pub_opts);
	sub = weir_subscribe_(bus, &sub_opts);
	MUST(weir_why(bus)->code == 0 && weir_pub_why(pub)->code == 0 &&
		weir_sub_why(sub)->code == 0);
	MUST(wr_rundir_open(&at, &place, NULL, 0, NULL) == 0);
	MUST(wr_rundir_scan(place, &its_node, 1) == 1);
	weir_pub_stats stats = {.size = sizeof(stats)};

	MUST(weir_pub_get_stats(pub, &stats) == 0);
	own_stream = stats.publisher;
	runs = 0;
	sent = heard = 0;
}

static void
stop(void)
{
	MUST(weir_close(bus) == 0);
	close(place);
	bus = NULL;
	MUST(open_fds() == fds_before);
}

static void
clean_up(void)
{
	char path[64];

	if (bus)
		stop();
	snprintf(path, sizeof(path), "%s/bus", dir);
	(void)rmdir(path);
	(void)rmdir(dir);
}

static void
set_up(void)
{
	MUST(mkdtemp(dir));
	our_node = 0x1111;
	words_fd = sealed("words", WR_NODE_BYTES, &words);
	stream_fd = sealed("stream", STREAM_BYTES, &stream);
	loose_fd = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	MUST(loose_fd >= 0 && null_fd >= 0 && bell_fd >= 0);
	atexit(clean_up);
}

static void
turn(void)
{
	(void)weir_turn(bus, 0);
}

static void
connect_again(void)
{
	if (fd >= 0)
		close(fd);
	fd = -1;
	turn();
	if (wr_rundir_connect(place, its_node, &fd) != 0)
		fd = -1;
	turn();
}

/* Listens, and remembers the ids that it hears. */
static void
hear(void)
{
	struct wr_wire msg;
	int fds[WR_WIRE_FDS] = {-1, -1};

	for (int i = 0; i < 16 && fd >= 0 && wr_wire_recv(fd, &msg, fds) == 1; i++) {
		for (int k = 0; k < wr_wire_fds(msg.kind); k++)
			close(fds[k]);
		if (msg.kind == WR_WIRE_ANNOUNCE)
			known_stream[i % KNOWN_MAX] = msg.stream;
		if (msg.kind == WR_WIRE_ATTACH)
			known_sub[i % KNOWN_MAX] = msg.sub;
	}
}

static uint64_t
pick(uint8_t which, const uint64_t *known)
{
	if (which < 128)
		return known[which % KNOWN_MAX];
	return which < 250 ? (uint64_t)OUR_STREAM + which % 4 : (uint64_t)which - 252;
}

static void
send_with(const void *bytes, size_t size, const int *fds, size_t count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 3)];
	} control = {0};
	struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

	if (count > 0) {
		struct cmsghdr *c;

		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
	}
	(void)sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The descriptors that the kind wants, or others, or another number of them. */
static size_t
choose_fds(uint16_t kind, uint8_t how, int *fds)
{
	static int *const others[] = {
		&null_fd, &loose_fd, &stream_fd, &words_fd, &bell_fd};
	size_t count = (size_t)wr_wire_fds(kind);

	fds[0] = kind == WR_WIRE_HELLO ? words_fd : stream_fd;
	fds[1] = bell_fd;
	fds[2] = null_fd;
	if (how >= 192)
		fds[how % 2] = *others[how / 2 % 5];
	if (how >= 240)
		count = how % 4;
	return count;
}

static void
say(struct wr_supply *in)
{
	static const char *const topics[] = {
		"a.c", "a.b", "x", "a.*", "", "a.\x01", "a.c.d"};
	struct wr_wire msg = {.magic = WR_WIRE_MAGIC, .layout = WR_LAYOUT};
	uint8_t how, odd;
	int fds[3];

	msg.kind = (uint16_t)(wr_supply_take(in, 1) % WR_WIRE_KINDS);
	how = (uint8_t)wr_supply_take(in, 1);
	odd = (uint8_t)wr_supply_take(in, 1);
	msg.node = our_node;
	msg.stream = pick((uint8_t)wr_supply_take(in, 1), known_stream);
	msg.sub = pick((uint8_t)wr_supply_take(in, 1), known_sub);
	msg.begin.place =
		wr_place(wr_supply_take(in, 1), (uint32_t)wr_supply_take(in, 1));
	msg.slot = (uint32_t)wr_supply_take(in, 1);
	msg.terms.holds = (uint32_t)wr_supply_take(in, 1) % 10;
	msg.bytes = STREAM_BYTES;
	msg.max_message = 1024;
	strcpy(msg.name, "hostile");
	strcpy(msg.topic, topics[odd % 7]);
	if (odd & 8)
		msg.bytes = wr_supply_take(in, 6);
	if (odd & 16)
		msg.node = wr_supply_take(in, 1) ? its_node : 0;
	if (odd & 32)
		memset(msg.name, 'a', sizeof(msg.name) - (wr_supply_take(in, 1) & 1));
	if (odd & 64)
		msg.type_hash = wr_supply_take(in, 8);
	if (odd & 128)
		msg.code = (uint32_t)wr_supply_take(in, 4);
	send_with(&msg, sizeof(msg), fds, choose_fds(msg.kind, how, fds));
}

/* Bytes as they are. */
static void
shout(struct wr_supply *in)
{
	size_t size = wr_supply_take(in, 2) % (sizeof(struct wr_wire) + 8);

	if (size > in->left)
		size = in->left;
	send_with(in->at, size, NULL, 0);
	in->at += size;
	in->left -= size;
}

static void
say_hello(void)
{
	struct wr_wire msg = {.magic = WR_WIRE_MAGIC,
		.layout = WR_LAYOUT,
		.kind = WR_WIRE_HELLO,
		.node = our_node,
		.name = "hostile"};
	int fds[2] = {words_fd, bell_fd};

	send_with(&msg, sizeof(msg), fds, 2);
}

/* Words of ours that the bus reads, or a frame of our stream. */
static void
scribble(struct wr_supply *in)
{
	uint8_t where = (uint8_t)wr_supply_take(in, 1);
	size_t at = wr_supply_take(in, 2);
	uint64_t value = wr_supply_take(in, 1 + where % 8);
	size_t size = WR_PAGE + 64 * sizeof(struct wr_slot);
	uint8_t *mem = words;

	if (where >= 192) {
		/* A message that makes sense, at the beginning of a segment. */
		struct wr_frame *frame = (struct wr_frame *)(void *)(stream +
			WR_STREAM_HEADER + at % STREAM_SEGS * WR_PAGE + WR_SEG_FIRST);

		wr_stat_set(&frame->word,
			wr_word((enum wr_kind)(where % 8), (uint32_t)value & 0xff,
				wr_extent((uint32_t)value & 0xff, WR_FRAME)));
		return;
	}
	if (where >= 64) {
		mem = stream;
		size = STREAM_BYTES;
	}
	/* Most of the words that matter are cursors. */
	at = where < 32 ? WR_PAGE + at % 64 * sizeof(struct wr_slot) : at * 8 % size;
	wr_stat_set((wr_a64 *)(void *)(mem + at), value);
}

/* Four of these fill a segment, and sixteen the window. */
static void
publish(void)
{
	weir_claim_t claim;
	int rc = weir_claim(pub, LARGE, &claim);

	MUST(rc == 0 || rc == -WEIR_E_AGAIN_FULL);
	if (rc)
		return;
	memcpy(claim.data, &sent, sizeof(sent));
	MUST(weir_commit(pub, &claim) == 0);
	sent++;
}

/* What the bus's own subscriber sees: its own messages, all, in order, and ours whole. */
static void
listen_in(void)
{
	for (int i = 0; i < 256; i++) {
		weir_msg msg;
		int rc = weir_peek(sub, &msg);

		if (rc == 0)
			break;
		if (rc < 0) {
			/* A stream may move to where nobody leads us, and end there. */
			MUST(rc == -WEIR_E_GONE_END || rc == -WEIR_E_DATA_GAP ||
				rc == -WEIR_E_PEER_PROTOCOL);
			continue;
		}
		if (msg.publisher == own_stream) {
			MUST(msg.len == LARGE && msg.lost == 0);
			MUST(!memcmp(msg.data, &heard, sizeof(heard)));
			heard++;
		} else if (msg.len > 0) {
			MUST(msg.len <= 1024);
			(void)*((const volatile uint8_t *)msg.data + msg.len - 1);
		}
		MUST(weir_next(sub) == 0);
	}
	MUST(heard <= sent);
}

static void
do_step(struct wr_supply *in, int *connections)
{
	weir_event event;

	switch (wr_supply_take(in, 1) % 12) {
	case 0:
	case 1:
	case 2:
		say(in);
		break;
	case 3:
		shout(in);
		break;
	case 4:
		say_hello();
		turn();
		hear();
		break;
	case 5:
		turn();
		break;
	case 6:
		turn();
		hear();
		break;
	case 7:
		publish();
		break;
	case 8:
		listen_in();
		break;
	case 9:
		scribble(in);
		break;
	case 10:
		if (++*connections < CONNECTIONS_MAX)
			connect_again();
		break;
	default:
		while (weir_next_event(bus, &event) == 1)
			MUST(strnlen(event.node, sizeof(event.node)) < sizeof(event.node) &&
				strnlen(event.topic, sizeof(event.topic)) <
					sizeof(event.topic));
	}
}

/* Leaves in good order, if it is still heard at all. */
static void
leave(void)
{
	struct wr_wire bye = {.magic = WR_WIRE_MAGIC,
		.layout = WR_LAYOUT,
		.kind = WR_WIRE_BYE,
		.node = our_node};

	turn();
	hear();
	if (fd >= 0) {
		send_with(&bye, sizeof(bye), NULL, 0);
		turn();
		close(fd);
	}
	fd = -1;
	for (int i = 0; i < 3; i++)
		turn();
	listen_in();
	publish();
	listen_in();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wr_supply in = {data, size};
	int connections = 0;

	if (words_fd < 0)
		set_up();
	if (!bus)
		start();
	our_node++;
	good_words();
	good_stream();
	memset(known_stream, 0, sizeof(known_stream));
	memset(known_sub, 0, sizeof(known_sub));
	connect_again();
	for (int i = 0; i < STEPS_MAX && in.left > 0; i++)
		do_step(&in, &connections);
	leave();
	/* It goes on without us. */
	MUST(weir_why(bus)->code == 0 && weir_sub_why(sub)->code == 0);
	if (++runs >= RUNS_MAX)
		stop();
	return 0;
}
