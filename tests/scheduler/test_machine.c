/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <weir/machine.h>

#include "tests/lib/test.h"

#include <string.h>

/* A turnstile, and a cash box that may be full. */
enum { LOCKED, OPEN, BROKEN, STATES };
enum { COIN, PUSH, KICK, MESSAGES };

struct box {
	weir_machine *machine;
	int coins, room, pushes;
};

static int
take_coin(void *ctx, const void *data, size_t len)
{
	struct box *box = ctx;

	CHECK_EQ(len, 1);
	CHECK_EQ(*(const char *)data, 'c');
	if (box->room == 0)
		return -WEIR_E_AGAIN_FULL;
	box->room--;
	box->coins++;
	return 0;
}

static int
let_through(void *ctx, const void *data, size_t len)
{
	struct box *box = ctx;

	(void)data, (void)len;
	box->pushes++;
	/* One message after the other. */
	CHECK_EQ(weir_machine_send(box->machine, PUSH, NULL, 0), -WEIR_E_USAGE_STATE);
	CHECK(!weir_machine_takes(box->machine, PUSH));
	return 1;
}

static const weir_edge edges[] = {
	{LOCKED, COIN, OPEN, take_coin},
	{OPEN, COIN, OPEN, take_coin},
	{OPEN, PUSH, LOCKED, let_through},
	{LOCKED, KICK, BROKEN, NULL},
	{OPEN, KICK, BROKEN, NULL},
};

enum { EDGES = sizeof(edges) / sizeof(edges[0]) };

static void
K20_a_machine_as_data_runs(void)
{
	weir_machine machine;
	struct box box = {.machine = &machine, .room = 3};

	REQUIRE_EQ(weir_machine_init(&machine, edges, EDGES, LOCKED, &box, NULL), 0);
	CHECK_EQ(weir_machine_send(&machine, COIN, "c", 1), 0);
	CHECK_EQ(machine.state, OPEN);
	CHECK_EQ(weir_machine_send(&machine, COIN, "c", 1), 0);
	CHECK_EQ(weir_machine_send(&machine, PUSH, NULL, 0), 0);
	CHECK_EQ(machine.state, LOCKED);
	CHECK_EQ(box.coins, 2);
	CHECK_EQ(box.pushes, 1);
}

/* Each message in each state: either there is an edge, or it is refused and nothing changes. */
static void
K55_what_has_no_edge_changes_nothing(void)
{
	for (uint32_t state = 0; state < STATES; state++)
		for (uint32_t message = 0; message <= MESSAGES; message++) {
			weir_machine machine;
			struct box box = {.machine = &machine, .room = 1};
			const weir_edge *edge = NULL;

			REQUIRE_EQ(weir_machine_init(
					   &machine, edges, EDGES, LOCKED, &box, NULL),
				0);
			machine.state = state;
			for (size_t i = 0; i < EDGES; i++)
				if (edges[i].from == state && edges[i].on == message)
					edge = &edges[i];
			CHECK_EQ(weir_machine_takes(&machine, message), edge != NULL);
			CHECK_EQ(weir_machine_send(&machine, message, "c", 1),
				edge ? 0 : -WEIR_E_USAGE_STATE);
			CHECK_EQ(machine.state, edge ? edge->to : state);
			CHECK_EQ(box.coins + box.pushes, edge && edge->act ? 1 : 0);
		}
}

static void
an_act_that_cannot_be_changes_nothing(void)
{
	weir_machine machine;
	struct box box = {.machine = &machine, .room = 0};

	REQUIRE_EQ(weir_machine_init(&machine, edges, EDGES, LOCKED, &box, NULL), 0);
	CHECK_EQ(weir_machine_send(&machine, COIN, "c", 1), -WEIR_E_AGAIN_FULL);
	CHECK_EQ(machine.state, LOCKED);
	box.room = 1;
	CHECK_EQ(weir_machine_send(&machine, COIN, "c", 1), 0);
}

static void
tables_that_mean_nothing_are_refused(void)
{
	static const weir_edge twice[] = {{LOCKED, COIN, OPEN, NULL},
		{OPEN, PUSH, LOCKED, NULL}, {LOCKED, COIN, BROKEN, NULL}};
	static const weir_edge nowhere[] = {{LOCKED, COIN, UINT32_MAX, NULL}};
	weir_machine machine;
	weir_error err = {0};

	CHECK_EQ(weir_machine_init(&machine, twice, 3, LOCKED, NULL, &err),
		-WEIR_E_USAGE_INVAL);
	CHECK(strstr(err.text, "edges 0 and 2") != NULL);
	CHECK_EQ(weir_machine_init(&machine, nowhere, 1, LOCKED, NULL, &err),
		-WEIR_E_USAGE_INVAL);
	CHECK(strstr(err.text, "edge 0") != NULL);
	CHECK_EQ(weir_machine_init(&machine, edges, EDGES, BROKEN, NULL, &err),
		-WEIR_E_USAGE_INVAL);
	CHECK(strstr(err.text, "state 2") != NULL);
	CHECK_EQ(weir_machine_init(&machine, edges, 0, LOCKED, NULL, &err),
		-WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_machine_init(&machine, NULL, 1, LOCKED, NULL, NULL),
		-WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_machine_init(NULL, edges, EDGES, LOCKED, NULL, NULL),
		-WEIR_E_USAGE_INVAL);
}

static const struct wr_test tests[] = {TEST(K20_a_machine_as_data_runs),
	TEST(K55_what_has_no_edge_changes_nothing),
	TEST(an_act_that_cannot_be_changes_nothing),
	TEST(tables_that_mean_nothing_are_refused), TEST_END};
const struct wr_suite wr_suite_machine = {.name = "machine", .tests = tests};
