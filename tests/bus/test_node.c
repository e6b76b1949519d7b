/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/node.h"

#include "tests/bus/rig.h"
#include "tests/lib/fdleak.h"

#include <stdio.h>
#include <string.h>

static void
make(struct wr_node *node, bool in_process)
{
	REQUIRE_EQ(wr_node_init(node, "bus", "node", in_process, true, NULL), 0);
}

static void
words_say_whose_they_are(void)
{
	for (int in_process = 0; in_process < 2; in_process++) {
		struct wr_node node;
		const struct wr_node_hdr *hdr;
		struct wr_fds before;

		wr_fds_take(&before);
		make(&node, in_process);
		hdr = (const struct wr_node_hdr *)(const void *)node.words;
		CHECK_EQ(hdr->magic, WR_NODE_MAGIC);
		CHECK_EQ(hdr->node, node.id);
		CHECK_EQ(hdr->pid, getpid());
		CHECK_EQ(hdr->slots, WR_NODE_SLOTS);
		CHECK_STR(hdr->name, "node");
		CHECK(hdr->flag_offset >= sizeof(*hdr) &&
			hdr->flag_offset <= WR_PAGE - WR_LINE);
		CHECK((uint8_t *)node.flag == node.words + hdr->flag_offset);
		CHECK((uint8_t *)node.slots == node.words + WR_PAGE);
		CHECK_EQ(wr_load_acquire(test_word, node.flag) % 2, 0);
		wr_node_fini(&node);
		CHECK_EQ(wr_fds_new(&before), 0);
	}
}

static void
flags_lie_on_lines_of_their_own(void)
{
	unsigned places = 0;

	for (uint64_t id = 1; id < 1000; id++) {
		uint32_t offset = wr_node_flag_offset(id);

		CHECK_EQ(offset % WR_LINE, 0);
		CHECK(offset >= 512 && offset + WR_LINE <= WR_PAGE);
		places += offset != wr_node_flag_offset(id + 1);
	}
	CHECK(places > 900);
}

static void
slots_come_back_clean(void)
{
	struct wr_node node;
	int first, second;

	make(&node, false);
	first = wr_node_slot_take(&node, NULL);
	second = wr_node_slot_take(&node, NULL);
	CHECK(first >= 0 && second >= 0 && first != second);
	wr_store_release(test_word, &node.slots[first].cur, 7);
	wr_store_release(test_word, &node.slots[first].hold[WEIR_HOLDS_MAX - 1], 7);
	wr_stat_set(&node.slots[first].stream, 7);
	wr_stat_set(&node.slots[first].passed, 7);
	wr_node_slot_give(&node, (uint32_t)first);
	CHECK_EQ(wr_load_acquire(test_word, &node.slots[first].cur), 0);
	CHECK_EQ(wr_load_acquire(test_word, &node.slots[first].hold[WEIR_HOLDS_MAX - 1]),
		0);
	CHECK_EQ(wr_stat_get(&node.slots[first].stream), 0);
	CHECK_EQ(wr_stat_get(&node.slots[first].passed), 0);
	CHECK_EQ(wr_node_slot_take(&node, NULL), first);
	wr_node_fini(&node);
}

static void
as_many_slots_as_stated(void)
{
	struct wr_node node;
	struct weir_error err = {0};

	make(&node, true);
	for (int i = 0; i < WR_NODE_SLOTS; i++)
		REQUIRE_EQ(wr_node_slot_take(&node, NULL), i);
	CHECK_EQ(wr_node_slot_take(&node, &err), -WEIR_E_AGAIN_QUOTA);
	CHECK_EQ(err.code, WEIR_E_AGAIN_QUOTA);
	wr_node_slot_give(&node, 4711);
	CHECK_EQ(wr_node_slot_take(&node, NULL), 4711);
	wr_node_fini(&node);
}

static void
events_are_kept_and_the_loss_is_counted(void)
{
	struct wr_node node;
	weir_event event;

	make(&node, true);
	CHECK(!wr_node_event_take(&node, &event));
	wr_node_event(&node, WEIR_EV_PUB_JOINED, 0, "peer", 12, 34, "a.b", 56);
	REQUIRE(wr_node_event_take(&node, &event));
	CHECK_EQ(event.kind, WEIR_EV_PUB_JOINED);
	CHECK_EQ(event.pid, 12);
	CHECK_EQ(event.uid, 34);
	CHECK_EQ(event.publisher, 56);
	CHECK_EQ(event.dropped, 0);
	CHECK_STR(event.node, "peer");
	CHECK_STR(event.topic, "a.b");
	CHECK(!wr_node_event_take(&node, &event));

	for (int i = 0; i < WR_EVENTS + 10; i++)
		wr_node_event(&node, WEIR_EV_SUB_LEFT, i, NULL, 0, 0, NULL, 0);
	REQUIRE(wr_node_event_take(&node, &event));
	CHECK_EQ(event.dropped, 10);
	CHECK_EQ(event.code, 10);
	for (int i = 11; i < WR_EVENTS + 10; i++) {
		REQUIRE(wr_node_event_take(&node, &event));
		CHECK_EQ(event.dropped, 0);
		CHECK_EQ(event.code, i);
	}
	CHECK(!wr_node_event_take(&node, &event));
	wr_node_fini(&node);
}

static void
names_of_events_are_cut_not_overrun(void)
{
	char longest[WEIR_NAME_MAX + 2];
	struct wr_node node;
	weir_event event;

	memset(longest, 'n', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	make(&node, true);
	wr_node_event(&node, WEIR_EV_NODE_JOINED, 0, longest, 0, 0, longest, 0);
	REQUIRE(wr_node_event_take(&node, &event));
	CHECK_EQ(strlen(event.node), WEIR_NAME_MAX);
	CHECK_EQ(strlen(event.topic), WEIR_NAME_MAX);
	wr_node_fini(&node);
}

static void
random_numbers_are_not_zero_and_differ(void)
{
	uint64_t a = wr_node_random(), b = wr_node_random();

	CHECK(a != 0 && b != 0 && a != b);
}

static void
admission_is_idempotent(void)
{
	struct rig rig;
	struct rig_start start = {.rig = &rig}, again = {.rig = &rig};
	struct wr_terms terms = {.holds = 2};
	struct wr_row row;

	rig_make(&rig, 4, 0, false);
	rig_admit(&rig, 2, &start);
	row = *rig.row[0];
	rig.row[0]->account.told_ns = 5000;
	CHECK_EQ(rig.w->gate.count, 1);
	CHECK_EQ(wr_stat_get(&rig.w->wake_count), 1);
	CHECK_EQ(wr_stream_admit(
			 &rig.stream, &row, &terms, rig.sub.flag, rig_admitted, &again),
		0);
	CHECK_EQ(rig.w->gate.count, 1);
	CHECK_EQ(rig.w->gate.pins, 3);
	CHECK_EQ(again.begin.place, start.begin.place);
	CHECK_EQ(again.seat, start.seat);
	CHECK_EQ(wr_stat_get(&rig.w->wake_count), 1);
	wr_store_unref(again.store);
	REQUIRE_EQ(rig_begin(&rig, 0, 2, &start), 0);
	CHECK_EQ(wr_reader_charged_ns(&rig.r[0]), 0); /* that was before */
	CHECK_EQ(rig_send(&rig, 8), 0);
	CHECK_EQ(rig_read(&rig, 0, NULL), 0);
	rig_free(&rig);
}

static void
a_row_gates_before_its_reader_begins(void)
{
	struct rig rig;
	struct rig_start start;
	int rc;

	rig_make(&rig, 3, 0, false);
	rig_admit(&rig, 1, &start);
	while ((rc = rig_send(&rig, 900)) == 0)
		;
	CHECK_EQ(rc, -WEIR_E_AGAIN_FULL);
	CHECK_EQ(rig.w->pool.oldest, 1);
	/* It walks over what came before it looked: published before "subscribe returned". */
	REQUIRE_EQ(rig_begin(&rig, 0, 1, &start), 0);
	CHECK_EQ(rig.r[0].seq, rig.w->seq);
	CHECK_EQ(rig_send(&rig, 900), 0);
	CHECK_EQ(rig_read(&rig, 0, NULL), (long long)rig.w->seq - 1);
	rig_free(&rig);
}

static int
refuse(void *ctx, const struct wr_begin *begin, struct wr_store *store, uint32_t seat)
{
	(void)ctx;
	(void)begin;
	(void)store;
	(void)seat;
	return -WEIR_E_ENV_FILES;
}

static void
who_cannot_be_told_is_not_admitted(void)
{
	struct rig rig;
	struct wr_terms terms = {.holds = 2};
	struct wr_row row;

	rig_make(&rig, 4, 0, false);
	row = (struct wr_row){.node = rig.sub.id,
		.sub = 1,
		.slot = &rig.sub.slots[0],
		.bell = rig.sub.bell};
	CHECK_EQ(wr_stream_admit(&rig.stream, &row, &terms, rig.sub.flag, refuse, NULL),
		-WEIR_E_ENV_FILES);
	CHECK_EQ(rig.w->gate.count, 0);
	CHECK_EQ(rig.w->gate.pins, 0);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(rig_send(&rig, 900), 0);
	rig_free(&rig);
}

static void
dismissal_lets_the_publisher_go_on(void)
{
	struct rig rig;
	int rc;

	rig_make(&rig, 3, 0, false);
	rig_join(&rig, 1);
	rig_join(&rig, 1);
	while ((rc = rig_send(&rig, 900)) == 0)
		;
	CHECK(wr_stream_dismiss(&rig.stream, rig.sub.id, 1));
	CHECK(!wr_stream_dismiss(&rig.stream, rig.sub.id, 1));
	CHECK_EQ(rig_send(&rig, 900), -WEIR_E_AGAIN_FULL);
	/* The other subscription of the node is still to be woken. */
	CHECK_EQ(wr_stat_get(&rig.w->wake_count), 1);
	wr_store_release(test_flag, rig.sub.flag, 1);
	CHECK_EQ(wr_writer_relay(rig.w), 1);
	CHECK(wr_stream_dismiss(&rig.stream, rig.sub.id, 2));
	wr_store_release(test_flag, rig.sub.flag, 3);
	CHECK_EQ(wr_writer_relay(rig.w), 0);
	CHECK_EQ(rig_send(&rig, 900), 0);
	rig_free(&rig);
}

static void
as_many_subscriptions_as_stated(void)
{
	struct rig rig;
	struct rig_start start;
	struct wr_terms terms = {.holds = 2};
	struct wr_row row;
	int rc;

	rig_make(&rig, 4, 0, false);
	row = (struct wr_row){
		.node = rig.sub.id, .slot = &rig.sub.slots[0], .bell = rig.sub.bell};
	for (row.sub = 1; row.sub <= WEIR_SUBSCRIBERS_MAX; row.sub++) {
		start = (struct rig_start){.rig = &rig};
		REQUIRE_EQ(wr_stream_admit(&rig.stream, &row, &terms, rig.sub.flag,
				   rig_admitted, &start),
			0);
		wr_store_unref(start.store);
	}
	rc = wr_stream_admit(
		&rig.stream, &row, &terms, rig.sub.flag, rig_admitted, &start);
	CHECK_EQ(rc, -WEIR_E_AGAIN_QUOTA);
	CHECK_EQ(rig.w->gate.count, WEIR_SUBSCRIBERS_MAX);
	rig_free(&rig);
}

static const struct wr_test tests[] = {TEST(words_say_whose_they_are),
	TEST(flags_lie_on_lines_of_their_own), TEST(slots_come_back_clean),
	TEST(as_many_slots_as_stated), TEST(events_are_kept_and_the_loss_is_counted),
	TEST(names_of_events_are_cut_not_overrun),
	TEST(random_numbers_are_not_zero_and_differ), TEST(admission_is_idempotent),
	TEST(a_row_gates_before_its_reader_begins),
	TEST(who_cannot_be_told_is_not_admitted),
	TEST(dismissal_lets_the_publisher_go_on), TEST(as_many_subscriptions_as_stated),
	TEST_END};
const struct wr_suite wr_suite_node = {.name = "node", .tests = tests};
