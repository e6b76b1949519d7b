/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tests/kill/page.h"

#include <stdio.h>
#include <string.h>

struct page *page;

const char *const state_names[STATES] = {"join", "idle", "claim", "wait", "write",
	"commit", "abort", "b.claim", "b.write", "b.commit", "read", "hold", "release",
	"leave"};
const char *const role_names[ROLES] = {"single", "claims", "batch", "large", "guest",
	"callback", "pull", "holder", "visitor", "survivor"};

void
violation(const char *fmt, ...)
{
	uint64_t n = __atomic_fetch_add(&page->violations, 1, __ATOMIC_ACQ_REL);
	va_list ap;

	if (n >= REPORTS)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(page->report[n], sizeof(page->report[n]), fmt, ap);
	va_end(ap);
}

uint64_t
chance(uint64_t *rng)
{
	uint64_t x = *rng ? *rng : 1;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*rng = x;
	return x * 0x2545f4914f6cdd1dull >> 16;
}

bool
asked_to(uint64_t stop)
{
	return peek_word(&page->stop) >= stop;
}

/* ---- messages --------------------------------------------------------------------------- */

static uint64_t
word_of(uint64_t key, uint64_t seq, uint64_t i)
{
	return (key << 40 ^ seq) * 0x9e3779b97f4a7c15ull + i * 0xd1342543de82ef95ull;
}

/* Depends on the place of each word, so that swapped or shifted bytes are seen. */
static uint32_t
sum_of(const uint8_t *data, size_t len, const struct header *h)
{
	uint64_t sum = ((uint64_t)h->key << 32 | (uint32_t)len) ^ h->seq << 17;
	uint64_t word;

	for (size_t at = sizeof(*h); at < len; at += sizeof(word)) {
		size_t part = len - at < sizeof(word) ? len - at : sizeof(word);

		word = 0;
		memcpy(&word, data + at, part);
		sum = (sum ^ word) * 0x9fb21c651e98df25ull;
		sum ^= sum >> 29;
	}
	return (uint32_t)(sum ^ sum >> 32);
}

void
message_write(void *data, size_t len, uint64_t key, uint64_t seq)
{
	struct header h = {.key = (uint32_t)key, .seq = seq};
	uint64_t word;

	for (size_t at = sizeof(h); at < len; at += sizeof(word)) {
		word = word_of(key, seq, at);
		memcpy((uint8_t *)data + at, &word,
			len - at < sizeof(word) ? len - at : sizeof(word));
	}
	h.sum = sum_of(data, len, &h);
	memcpy(data, &h, sizeof(h));
}

bool
message_is_whole(const void *data, size_t len, struct header *header)
{
	if (len < sizeof(*header))
		return false;
	memcpy(header, data, sizeof(*header));
	return header->sum == sum_of(data, len, header);
}

/* ---- the publisher's books ---------------------------------------------------------------- */

/* A key names the slot and which of its streams, over all incarnations. */
struct books *
books_begin(struct slot *slot)
{
	uint64_t n = slot->streams + 1;
	struct books *b = &slot->books[n % STREAMS];

	say_word(&slot->streams, n);
	say_word(&b->key, 0);
	memset(b->fate, 0, (b->claimed < FATES ? b->claimed : FATES) * sizeof(b->fate[0]));
	b->claimed = b->top = b->publisher = b->strict = 0;
	b->incarnation = slot->incarnation;
	b->before_ns = weir_now_ns();
	say_word(&b->key, n * SLOTS + (uint64_t)(slot - page->slot));
	return b;
}

void
books_note(struct books *b, uint64_t seq, enum fate fate)
{
	say_word(&b->fate[seq % FATES], (uint32_t)seq << 2 | fate);
	if (fate == F_OPEN && seq >= b->claimed)
		say_word(&b->claimed, seq + 1);
	if (fate == F_COMMITTED && seq >= b->top)
		say_word(&b->top, seq + 1);
}

/* ---- a reader's ----------------------------------------------------------------------------- */

static uint32_t
place_of(uint64_t key)
{
	return (uint32_t)(key % SLOTS * STREAMS + key / SLOTS % STREAMS);
}

static struct books *
books_of(uint64_t key)
{
	return &page->slot[key % SLOTS].books[key / SLOTS % STREAMS];
}

static bool
is_dying(uint64_t key)
{
	return peek_word(&page->slot[key % SLOTS].dying) >=
		peek_word(&books_of(key)->incarnation);
}

/* A number that was not delivered: it must have been given back, or died open. */
static void
check_hole(struct reader *r, uint64_t key, uint64_t seq, uint64_t behind)
{
	struct books *b = books_of(key);
	uint32_t word = peek_word(&b->fate[seq % FATES]);

	if (peek_word(&b->key) != key || word >> 2 != ((uint32_t)seq & 0x3fffffff))
		return; /* the books have moved on: the slot has lived on since */
	add_word(&r->slot->holes, 1);
	if ((word & 3) == F_COMMITTED || ((word & 3) != F_ABORTED && !is_dying(key)))
		violation("%s: %llu of stream %llx was %s and is missing before %llu",
			r->who, (unsigned long long)seq, (unsigned long long)key,
			(word & 3) == F_COMMITTED ? "committed" : "open",
			(unsigned long long)behind);
}

void
reader_check(struct reader *r, const weir_msg *msg)
{
	struct header h;
	struct seen *seen;
	uint64_t now = weir_now_ns();

	add_word(&r->slot->progress, 1);
	add_word(&r->slot->messages, 1);
	if (r->last_ns && now - r->last_ns > r->slot->pause_ns)
		say_word(&r->slot->pause_ns, now - r->last_ns);
	r->last_ns = now;
	if (!message_is_whole(msg->data, msg->len, &h)) {
		violation("%s: message %llu of %zu bytes on %s is corrupt", r->who,
			(unsigned long long)msg->seq, msg->len, msg->topic);
		return;
	}
	if (h.seq != msg->seq)
		violation("%s: message %llu arrived as %llu", r->who,
			(unsigned long long)h.seq, (unsigned long long)msg->seq);
	if (msg->lost)
		violation("%s: %llu lost before %llu of %x", r->who,
			(unsigned long long)msg->lost, (unsigned long long)msg->seq,
			h.key);
	seen = &r->seen[place_of(h.key)];
	if (seen->key == h.key) {
		if (seen->publisher != msg->publisher)
			violation("%s: stream %x has two ids", r->who, h.key);
		if (msg->seq < seen->next)
			violation("%s: %llu of %x after %llu", r->who,
				(unsigned long long)msg->seq, h.key,
				(unsigned long long)seen->next - 1);
	} else {
		const struct books *b = books_of(h.key);

		seen->key = h.key;
		seen->publisher = msg->publisher;
		/* Who was there when the stream began has all of it. */
		seen->next = peek_word(&b->strict) && peek_word(&b->key) == h.key &&
				b->before_ns > r->since_ns
			? 0
			: msg->seq;
	}
	for (uint64_t seq = seen->next; seq < msg->seq; seq++)
		check_hole(r, h.key, seq, msg->seq);
	seen->next = msg->seq + 1;
}

void
reader_recheck(struct reader *r, const weir_msg *msg)
{
	struct header h;

	if (!message_is_whole(msg->data, msg->len, &h) || h.seq != msg->seq)
		violation("%s: message %llu of %zu bytes on %s changed while it was read",
			r->who, (unsigned long long)msg->seq, msg->len, msg->topic);
}

static void
end_of(struct reader *r, const struct seen *seen)
{
	const struct books *b = books_of(seen->key);
	uint64_t top = peek_word(&b->top);

	if (peek_word(&b->key) != seen->key)
		return;
	add_word(&r->slot->ends, 1);
	if (seen->next < top)
		violation("%s: stream %llx ended after %llu, %llu was committed",
			r->who, (unsigned long long)seen->key,
			(unsigned long long)seen->next, (unsigned long long)top);
}

void
reader_end(struct reader *r, uint64_t publisher)
{
	for (int i = 0; i < SLOTS * STREAMS; i++)
		if (r->seen[i].key && r->seen[i].publisher == publisher)
			end_of(r, &r->seen[i]);
}

void
reader_end_all(struct reader *r)
{
	for (int i = 0; i < SLOTS * STREAMS; i++)
		if (r->seen[i].key)
			end_of(r, &r->seen[i]);
}
