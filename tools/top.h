/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What "weir top" shows: rows for people, made of two looks at a bus. Everything that goes on
 * is a difference between the two, by the time between them; one that was not there at the
 * first look has no rate yet, which is not a rate of nothing.
 *
 * Pure: looks come in as arrays (tools/top_look.h takes them from a bus), times stand in them,
 * and nothing is printed here (tools/top_screen.h and tools/top_print.h do).
 */
#ifndef TOOLS_TOP_H
#define TOOLS_TOP_H

#include <stddef.h>
#include <stdint.h>
#include <weir/look.h>

/* ---- a look --------------------------------------------------------------------------------- */

/* Whether anything is heard of a process. */
enum top_quiet {
	TOP_ANSWERS = 0,
	TOP_SILENT,
	TOP_STOPPED /* by a signal or a debugger */
};

/* What lies between two looks is negative (TOP_UNKNOWN) where that is not known. */
#define TOP_UNKNOWN (-1.0)

struct top_loop {
	weir_look_loop is;
	int quiet; /* enum top_quiet */
	/* between two looks */
	int compared; /* it was there at both, and what follows is known */
	int goes_on;  /* it has turned */
	double polls, messages, sleeps, over; /* a second */
	double asleep;                        /* of the time, 0 to 1 */
	uint64_t polled; /* polls of its consumers that have turns, */
	uint64_t parts;  /* and the weights of those that were polled, in per cent */
};

struct top_consumer {
	weir_look_consumer is;
	size_t loop; /* its index */
	int counted; /* it subscribes, and how far it is behind could be read */
	uint64_t waiting, lost;
	int changed; /* its tier has, for the last time like this: */
	weir_look_change last;
	int measured; /* its times are taken, and are these: */
	weir_look_latencies times;
	/* between two looks */
	double rate;      /* messages a second */
	double want, got; /* shares of the polls of its loop, 0 to 1 */
	double used_ns;   /* by a poll that found something, where that was measured */
};

struct top_topic {
	char name[WEIR_NAME_MAX + 1];
	uint32_t publishers, subscribers;
	uint64_t messages, lost;
	uint64_t last_ns; /* when the newest was committed; 0: none, or not known */
	uint64_t waiting; /* for the one that is farthest behind */
	char behind[WEIR_NAME_MAX + 32]; /* who that is; "": nobody */
	uint64_t node;                   /* a publisher's, */
	char who[WEIR_NAME_MAX + 32]; /* and what it is called; "": nobody publishes */
	int quiet; /* enum top_quiet: if not TOP_ANSWERS, all this is what it said last */
	/* between two looks */
	double rate; /* messages a second */
};

struct top_look {
	const char *bus;
	uint64_t when_ns;
	struct top_topic *topics;
	size_t topic_count;
	struct top_consumer *consumers;
	size_t consumer_count;
	struct top_loop *loops;
	size_t loop_count;
	size_t processes, quiet; /* and those of them that do not answer */
};

/*
 * Brings a look in order, topics by name, consumers by loop and number; loops are in order.
 * Both looks that are compared have been.
 */
void top_sort(struct top_look *look);
/* Fills in what lies between two looks; before NULL: there is only one, and nothing is known. */
void top_compare(const struct top_look *before, struct top_look *now);

/* ---- rows ----------------------------------------------------------------------------------- */

enum top_tab { TOP_TOPICS = 0, TOP_CONSUMERS, TOP_REACTORS, TOP_LATENCY, TOP_TABS };

enum {
	TOP_CELL_BYTES = 2 * WEIR_NAME_MAX + 64,
	TOP_FILTER_BYTES = 64,
	TOP_COLUMNS_MAX = 16,
	TOP_TREND_MS = 10000 /* how long a tier counts as one that has just changed */
};

/* What stands in one place of a table. */
struct top_cell {
	char text[TOP_CELL_BYTES];
	double value; /* to sort by, where the column is one of numbers */
};

/* What is drawn with, where a terminal has more than ASCII and where not. */
struct top_glyphs {
	const char *up, *down; /* to a higher tier, and back */
	const char *full, *empty, *over;
	const char *times;
	const char *more; /* than there is room for */
};
extern const struct top_glyphs top_ascii, top_utf8;

struct top_view {
	const struct top_look *look;
	const struct top_glyphs *glyphs;
	int tab;  /* enum top_tab */
	int sort; /* by which column; the first one is the order of names */
	int reverse;
	char filter[TOP_FILTER_BYTES]; /* "", or what a row has to have in its words */
};

struct top_column {
	const char *head;
	char align;   /* 'l': words; 'r' */
	char numeric; /* 1: sorted by value, the largest first */
	char rank; /* 0: always there; where it is narrow, the highest rank goes first */
	char width; /* at least, so that a table does not jump about */
};

const char *top_tab_name(int tab);
/* The columns of a tab; the last one has no head. */
const struct top_column *top_columns(int tab);
void top_cell(
	const struct top_view *view, size_t row, size_t column, struct top_cell *cell);

/*
 * Which rows are shown, in their order: indices into the topics, consumers or loops of the
 * look, to be freed; NULL without memory. Rows that are equal stay in the order of names.
 */
size_t *top_rows(const struct top_view *view, size_t *count);

/* Of a row: the highest tier that it is about, 0 to 3; enum top_quiet; what it is in any look;
 * and why it is above tier monitor, in one line, or NULL. */
uint32_t top_tier(const struct top_view *view, size_t row);
int top_quiet(const struct top_view *view, size_t row);
uint64_t top_id(const struct top_view *view, size_t row);
const char *top_why(const struct top_view *view, size_t row);

/* "turns", "asleep", "stands" (somebody has something to do, and is not polled), "stopped",
 * "silent", "not seen", or "-": not known yet. */
const char *top_loop_state(const struct top_loop *loop);

#endif
