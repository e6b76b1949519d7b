/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A stream's region as a hostile publisher would make it: the header, then the log, with
 * words that change between the reader's steps. Whatever lies there, the reader delivers
 * only what lies within a segment, or gives the stream up.
 *
 * The input: a byte of flags, then steps of a byte and its operands (see do_step). The
 * region starts as a good one of three segments of a page; a second one of the same shape
 * is where the stream may move to.
 */
#include "bus/audit.h"
#include "bus/reader.h"

#include "tests/fuzz/fuzz.h"

enum {
	SEGS = 3,
	BYTES = WR_STREAM_HEADER + WR_PAGE * SEGS,
	STEPS_MAX = 4096,
	KEPT = 1 << 20,
	VIEWS = 8,
	MESSAGE_MAX = 1024
};

static void
good_header(struct wr_stream_hdr *hdr)
{
	memset(hdr, 0, sizeof(*hdr));
	hdr->magic = WR_STREAM_MAGIC;
	hdr->layout = WR_LAYOUT;
	hdr->header_bytes = WR_STREAM_HEADER;
	hdr->stream = 7;
	hdr->node = 5;
	hdr->region_bytes = BYTES;
	hdr->window_bytes = WR_PAGE * SEGS;
	hdr->first_ord = 1;
	hdr->seg_bytes = WR_PAGE;
	hdr->seg_count = SEGS;
	hdr->first = WR_SEG_FIRST;
	hdr->align = WR_FRAME;
	hdr->max_message = MESSAGE_MAX;
	strcpy(hdr->topic, "t");
}

/* Some of the header's bytes are the input's; what is accepted must be safe to use. */
static void
check_header(struct wr_supply *in)
{
	struct wr_stream_hdr hdr;
	uint64_t bytes = BYTES;
	int rc;

	good_header(&hdr);
	while (in->left > 0) {
		size_t at = wr_supply_take(in, 2) % (sizeof(hdr) + 16);
		size_t len = wr_supply_take(in, 1) % 9;
		uint64_t value = wr_supply_take(in, len);

		if (at >= sizeof(hdr)) {
			bytes = value;
			continue;
		}
		if (len > sizeof(hdr) - at)
			len = sizeof(hdr) - at;
		memcpy((uint8_t *)&hdr + at, &value, len);
	}
	rc = wr_store_check(&hdr, bytes, NULL);
	MUST(rc == 0 || rc == -WEIR_E_PEER_BADREGION || rc == -WEIR_E_ENV_VERSION);
	if (rc)
		return;
	MUST(hdr.magic == WR_STREAM_MAGIC && hdr.layout == WR_LAYOUT);
	MUST(hdr.seg_count > 0 && hdr.seg_bytes >= WR_PAGE);
	MUST(WR_STREAM_HEADER + (unsigned __int128)hdr.seg_bytes * hdr.seg_count == bytes);
	MUST(hdr.first >= WR_SEG_FIRST && hdr.first % 8 == 0);
	MUST((unsigned __int128)hdr.first + WR_FRAME + hdr.max_message + WR_FRAME <=
		hdr.seg_bytes);
	MUST(hdr.align >= WR_FRAME && (hdr.align & (hdr.align - 1)) == 0);
	MUST(strnlen(hdr.topic, sizeof(hdr.topic)) < sizeof(hdr.topic));
	MUST(strnlen(hdr.type, sizeof(hdr.type)) < sizeof(hdr.type));
	MUST(hdr.first_ord != 0);
}

/* A store over plain memory, so that the sanitizer sees every step beyond it. */
static struct wr_store *
make_store(void)
{
	struct wr_store *store = calloc(1, sizeof(*store));
	uint8_t *mem = aligned_alloc(WR_PAGE, BYTES);
	struct wr_segment *seg;

	MUST(store && mem);
	memset(mem, 0, BYTES);
	good_header((struct wr_stream_hdr *)(void *)mem);
	store->region = WR_REGION_NONE;
	store->hdr = (struct wr_stream_hdr *)(void *)mem;
	store->segs = mem + WR_STREAM_HEADER;
	store->seg_bytes = WR_PAGE;
	store->seg_count = SEGS;
	store->first = WR_SEG_FIRST;
	store->align = WR_FRAME;
	store->max_message = MESSAGE_MAX;
	store->first_ord = 1;
	/* So many that it is never unmapped. */
	wr_stat_set(&store->refs, KEPT);
	seg = wr_store_seg_hdr(store, 0);
	wr_stat_set(&seg->ord, 1);
	wr_stat_set(&store->hdr->head, wr_place(1, 0));
	wr_stat_set(&store->hdr->oldest, wr_place(1, 0));
	return store;
}

struct fuzz {
	struct wr_supply in;
	struct wr_store *stores[2];
	struct wr_store *store; /* the one that this step writes to */
	bool moved;
	struct wr_slot slot;
	struct wr_reader reader;
	struct wr_view views[VIEWS];
	int have;      /* views of the last peek that are not passed */
	uint64_t next; /* the least sequence number that may come */
	uint64_t held[WEIR_HOLDS_MAX];
	bool over;
};

/* Any word of the header or the log becomes any value, and so does what the reader is told
 * that it was charged. */
static void
scribble(struct fuzz *f)
{
	size_t at = wr_supply_take(&f->in, 2) % (WR_PAGE * (1 + SEGS) / 8);
	uint64_t value = wr_supply_take(&f->in, 8);

	if (at >= WR_PAGE / 8)
		at += (WR_STREAM_HEADER - WR_PAGE) / 8;
	wr_stat_set((wr_a64 *)(void *)f->store->hdr + at, value);
	wr_stat_set(&wr_stream_told(f->store->hdr, f->reader.seat)->charged_ns, value);
}

/* A frame that makes sense, at a place where one may be. */
static void
write_frame(struct fuzz *f)
{
	uint32_t seg = (uint32_t)wr_supply_take(&f->in, 1) % SEGS;
	uint32_t off =
		WR_SEG_FIRST + (uint32_t)wr_supply_take(&f->in, 1) % 252 * WR_FRAME;
	enum wr_kind kind = (enum wr_kind)(wr_supply_take(&f->in, 1) % 8);
	uint32_t len = (uint32_t)wr_supply_take(&f->in, 2) % (MESSAGE_MAX * 2);
	uint64_t stamp = wr_supply_take(&f->in, 1);
	struct wr_frame *frame =
		(struct wr_frame *)(void *)(wr_store_seg(f->store, seg) + off);
	uint32_t extent = wr_extent(len, WR_FRAME);

	if (kind == WR_ROLL || kind == WR_MOVE) {
		stamp = wr_place(stamp >> 2, stamp & 3);
		len = 0;
		extent = WR_FRAME;
	} else if (kind == WR_OPEN) {
		extent = 0;
	}
	wr_stat_set(&frame->stamp, stamp);
	wr_stat_set(&frame->word, wr_word(kind, len, extent));
}

/* Makes a segment live, by its ordinal and base. */
static void
write_segment(struct fuzz *f)
{
	struct wr_segment *seg =
		wr_store_seg_hdr(f->store, (uint32_t)wr_supply_take(&f->in, 1) % SEGS);

	wr_stat_set(&seg->ord, wr_supply_take(&f->in, 1));
	wr_stat_set(&seg->base, wr_supply_take(&f->in, 1));
}

/* References of a store that are not the reader's. */
static uint64_t
others(const struct fuzz *f, int index)
{
	return (uint64_t)KEPT + (index == 1 && f->moved);
}

/*
 * The offset of an address from the first segment of the region that it lies in; the
 * reader must have a reference of that region, or it may be unmapped under it.
 */
static uint64_t
offset_of(const struct fuzz *f, const void *address)
{
	const uint8_t *at = address;

	for (int i = 0; i < 2; i++) {
		const struct wr_store *store = f->stores[i];

		if (at < store->segs || at >= store->segs + SEGS * WR_PAGE)
			continue;
		MUST(wr_stat_get(&store->refs) > others(f, i));
		return (uint64_t)(at - store->segs);
	}
	fprintf(stderr, "an address outside of every region\n");
	abort();
}

static void
peek(struct fuzz *f)
{
	int count = 1 + (int)wr_supply_take(&f->in, 1) % VIEWS;
	int got = wr_reader_peek(&f->reader, f->views, count);
	uint64_t had_ns = f->reader.charged_ns;

	MUST(wr_reader_charged_ns(&f->reader) == f->reader.charged_ns - had_ns);

	f->have = got > 0 ? got : 0;
	if (got < 0) {
		MUST(got == -WEIR_E_GONE_END || got == -WEIR_E_DATA_GAP ||
			got == -WEIR_E_PEER_PROTOCOL || got == -WEIR_E_AGAIN_EMPTY);
		/* Once told, it stays told. */
		MUST((got == -WEIR_E_AGAIN_EMPTY) == f->over);
		f->over = true;
		return;
	}
	MUST(!f->over && got <= count);
	for (int i = 0; i < got; i++) {
		const struct wr_view *view = &f->views[i];
		uint64_t off = offset_of(f, view->data);
		uint64_t seg = off / WR_PAGE;

		MUST(off % WR_PAGE >= WR_SEG_FIRST + WR_FRAME);
		MUST(view->len <= MESSAGE_MAX);
		MUST(view->len == 0 || (off + view->len - 1) / WR_PAGE == seg);
		MUST(view->end <= WR_PAGE - WR_FRAME);
		MUST(i > 0 || view->seq >= f->next);
		MUST(i == 0 || (view->lost == 0 && view->seq == f->views[i - 1].seq + 1));
		if (i == 0)
			f->next = view->seq;
		if (view->len > 0)
			(void)*((const volatile uint8_t *)view->data + view->len - 1);
	}
}

/* Where it stands is a segment of a region that it keeps mapped; astray it is nowhere. */
static void
inspect(const struct fuzz *f)
{
	const struct wr_reader *r = &f->reader;

	if (f->over || r->astray)
		return;
	MUST(offset_of(f, r->seg) % WR_PAGE == 0);
	MUST(r->off >= WR_SEG_FIRST && r->off <= WR_PAGE - WR_FRAME);
	MUST(wr_stat_get(&f->slot.cur) != 0);
}

/* Somebody counts the reader's books from outside, or what it might say of itself. */
static void
count(const struct fuzz *f, uint32_t k)
{
	const struct wr_regions in = {f->stores, f->moved ? 2 : 1};
	struct wr_books books;
	struct wr_audit audit;
	uint64_t visible;

	MUST(wr_books_take(&f->slot, &books));
	if (k % 4 == 1)
		books.off = k * WR_FRAME;
	if (k % 4 == 2)
		books.at = wr_place(k >> 4, k >> 2 & 3);
	(void)wr_audit_walk(&audit, &books, &in);
	(void)wr_audit_stands(&f->slot, &books);
	(void)wr_audit_visible(&in, &visible);
}

static void
do_step(struct fuzz *f)
{
	uint8_t step = (uint8_t)wr_supply_take(&f->in, 1);
	uint32_t k;

	f->store = f->stores[step >> 7];
	switch ((step & 127) % 10) {
	case 0:
		scribble(f);
		break;
	case 1:
	case 2:
		write_frame(f);
		break;
	case 3:
		write_segment(f);
		break;
	case 4:
		wr_stat_set(&f->store->hdr->oldest,
			wr_place(wr_supply_take(&f->in, 1),
				(uint32_t)wr_supply_take(&f->in, 1) % (SEGS + 1)));
		break;
	case 5:
	case 6:
		peek(f);
		break;
	case 7:
		k = (uint32_t)wr_supply_take(&f->in, 1);
		if (f->have > 0) {
			wr_reader_pass(&f->reader, f->views, 1 + (int)k % f->have);
			f->next = f->reader.seq;
			f->have = 0;
		}
		break;
	case 8:
		k = (uint32_t)wr_supply_take(&f->in, 1);
		if (k % 2)
			(void)wr_reader_hold(
				&f->reader, f->next, &f->held[k / 2 % WEIR_HOLDS_MAX]);
		else
			(void)wr_reader_release(
				&f->reader, f->next, f->held[k / 2 % WEIR_HOLDS_MAX]);
		break;
	default:
		k = (uint32_t)wr_supply_take(&f->in, 1);
		(void)wr_reader_ready(&f->reader);
		(void)wr_reader_heavy(&f->reader);
		count(f, k);
		if (k == 255)
			wr_reader_bereave(&f->reader);
		else if (k == 254)
			wr_stat_set(&f->store->hdr->closed, 1);
		else if (k == 253 && !f->moved) {
			wr_store_follow(f->stores[0], wr_store_ref(f->stores[1]));
			f->moved = true;
		}
	}
}

static void
walk(struct wr_supply *in, uint8_t flags)
{
	struct fuzz f = {.in = *in};
	uint64_t place = wr_place(1, 0);
	struct wr_reader_opts opts = {
		.begin = UINT64_MAX, .asked = UINT64_MAX, .holds = WEIR_HOLDS_DEFAULT};

	f.stores[0] = f.store = make_store();
	f.stores[1] = make_store();
	/* What lies there when the reader comes. */
	for (unsigned i = 0; i < (flags >> 2 & 15); i++)
		write_frame(&f);
	if (flags & 2)
		place = wr_place(wr_supply_take(&f.in, 1), wr_supply_take(&f.in, 1) & 3);
	if (wr_reader_init(&f.reader, f.store, &f.slot, place, &opts) == 0) {
		for (int i = 0; i < STEPS_MAX && f.in.left > 0; i++) {
			inspect(&f);
			do_step(&f);
		}
		wr_reader_fini(&f.reader);
	}
	for (int i = 0; i < 2; i++) {
		/* All that took a reference has given it back. */
		MUST(wr_stat_get(&f.stores[i]->refs) == others(&f, i));
		free(f.stores[i]->hdr);
		free(f.stores[i]);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wr_supply in = {data, size};
	uint8_t flags = (uint8_t)wr_supply_take(&in, 1);

	if (flags & 1)
		check_header(&in);
	else
		walk(&in, flags);
	return 0;
}
