/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Who pays when a publisher waits for room: the stall budget.
 *
 * A reader that lags past its quota may hold the publisher up, and with it everybody else,
 * for as long as its budget lasts: 5 ms in any 100 ms, unless it asked for less. Whose
 * time it is, three rules say:
 *
 *   fast path    while every other gating reader stands at the head, the time belongs to
 *                those that block, unless they drain at least half as fast as the best was
 *                lately: who works as fast as that is not slow, but has more to do;
 *   group path   over each 100 ms of waiting, readers are compared by how fast they drain
 *                while they are behind; who is four times slower than the best no longer
 *                counts among the others, so several slow ones cannot shield each other.
 *                Nor does who is behind and has not moved for 20 ms while another stood at
 *                the head: to compare takes no longer there;
 *   stop path    who has not moved at all for 500 ms of waiting has stopped, even if it is
 *                the only reader.
 *
 * The best is known by what each did in the time in which it may have been at work: who
 * stands at the head most of the time that the publisher waits is faster than it goes. It
 * is known roughly after the first 20 ms of waiting, and from each comparison on well.
 *
 * So where the publisher simply outruns everybody, or a lone reader, it runs at their pace
 * and nobody is charged; where a few hold up the rest, it lasts as long as their budget.
 * Charging as soon as one other has caught up would put out healthy readers that wait for
 * a core; a limit on the lag alone loses messages of the healthy.
 *
 * Time in which a blocker was ready to run and had no core is not its own; who turns out to
 * be as fast as the others, without that time, has paid for nothing that it did. Nor is time
 * in which its loop was with others, as its loop says, who may be the slow ones of this very
 * stream: that is given back up to one budget more, in which those have paid theirs. So
 * neither a loop that lies nor one that is always busy elsewhere holds its publisher up for
 * longer than twice a budget. Time in which the publisher itself was not scheduled is
 * nobody's.
 *
 * The account of a reader outlives its being detached. All stalls of a stream together have a
 * cap, however many readers take turns: beyond it, whoever is charged more than half of an
 * equal share of it is detached.
 *
 * What a reader is charged its own loop is told, to count it against it there: half a
 * millisecond or more at a time, when what it could not help has been taken back; and when
 * it is detached for that, the rest, and as long as it is that it is.
 *
 * Pure: time, and what was seen of the readers, come in. Under the writer's lock.
 */
#ifndef WR_BUS_STALL_H
#define WR_BUS_STALL_H

#include <stdbool.h>
#include <stdint.h>

struct wr_gate;
struct wr_row;

enum {
	WR_STALL_TENTHS = 10,         /* of the window that an account looks back */
	WR_STALL_TENTH_NS = 10000000, /* 100 ms in all */
	WR_STALL_BUDGET_NS = 5000000, /* in any 100 ms, of a reader */
	WR_STALL_CAP_NS = 20000000,   /* and of all readers of a stream together */
	WR_STALL_COMPARE_NS = 100000000,
	WR_STALL_STOPPED_NS = 500000000,
	WR_STALL_TELL_NS = 500000 /* the least that a loop is told at a time */
};

#define WR_STALL_FOREVER \
	UINT64_MAX /* a budget: the publisher waits as long as it takes */

/* Nanoseconds of the last 100 ms. Counted in tenths and one more, so it is never less than
 * what any 100 ms had. */
struct wr_slide {
	uint64_t newest; /* number of the tenth that is being filled */
	uint32_t ns[WR_STALL_TENTHS + 1];
};

/* Why a reader was detached. */
enum wr_blame {
	WR_BLAME_NONE = 0,
	WR_BLAME_BUDGET, /* it held the others up for longer than its budget */
	WR_BLAME_CAP, /* all stalls of the stream together were longer than the cap */
	WR_BLAME_STOPPED, /* it did not move at all */
	WR_BLAMES
};

/* The account of one reader. */
struct wr_account {
	uint64_t budget_ns; /* in any 100 ms; 0: nobody ever waits for it */
	struct wr_slide spent;
	struct wr_slide shared; /* given back, since others kept its loop */
	uint64_t spent_ns;      /* ever */
	uint64_t told_ns;       /* of that, what its own loop is told; it only grows */

	/* as it was at the last look */
	uint64_t place; /* its cursor */
	uint64_t progress;
	bool blocked;
	bool watched;      /* it may have to be excused: its thread was looked at */
	uint64_t still_ns; /* waited for since it moved last */
	uint64_t idle_ns;  /* behind since it moved last, waited for or not */

	/* of the comparison that is running */
	uint64_t behind_ns;
	uint64_t behind_from; /* progress when it began, and what it passed when it was not
				 behind, or not waited for */
	uint64_t busy_ns;     /* of the time waited, when it may have been at work */
	uint64_t worked_from; /* progress when it began */
	bool slow;            /* by the last one */

	/* the way back */
	uint64_t left_ns; /* when it was detached last, 0 = never */
	uint64_t dwell_ns;
	uint64_t lost; /* what it had lost at the last rollover */
	uint32_t detaches;
	enum wr_blame blame; /* of the last one */
};

/* The account of a stream. */
struct wr_stall {
	uint64_t cap_ns; /* of all readers together, in any 100 ms */
	struct wr_slide spent;
	uint64_t spent_ns;    /* ever */
	bool paying;          /* at the last look the others stood at the head */
	uint64_t waited_ns;   /* until the last look, in this wait */
	uint64_t began_ns;    /* when the comparison began, 0 = never */
	uint64_t compared_ns; /* waited since then */
	uint64_t pace_ns;     /* when the last one ended, */
	uint64_t pace_from;   /* and what had been published by then */
	double pace;          /* messages a second, when any were published last */
	double best;          /* speed of the best reader, by the last comparisons */
	bool compared;        /* there was one */
};

/* What a reader could not help. */
struct wr_excuse {
	uint64_t no_core_ns;  /* its thread was ready to run, and did not; */
	uint64_t hindered_ns; /* apart from that, it was with others, as its loop says */
};

/* What a look is told. */
struct wr_stall_view {
	uint64_t now_ns;
	uint64_t since_ns; /* of waiting since the last look; 0 at the first */
	uint64_t took_ns;  /* of that, while the publisher could have run */
	uint64_t head;
	uint64_t published;
	/* What the reader could not help since this was asked last; nothing the first time.
	 * NULL: never. Costs a look at /proc: asked once about each who begins to pay, then
	 * about who would be detached otherwise, and at each look about one whose loop would
	 * be told. */
	struct wr_excuse (*excuse)(void *ctx, struct wr_row *row);
	void *ctx;
};

void wr_stall_init(struct wr_stall *stall, uint64_t cap_ns, uint64_t now_ns);

void wr_slide_add(struct wr_slide *slide, uint64_t now_ns, uint64_t ns);
/* Takes back what was added last, as far as there is so much; returns how much. */
uint64_t wr_slide_forgive(struct wr_slide *slide, uint64_t ns);
uint64_t wr_slide_sum(const struct wr_slide *slide, uint64_t now_ns);

/*
 * One look while the publisher waits; the cursors have been read just before. Charges the
 * time since the last look, and sets row->blame: whom to detach, and why. Returns how many
 * those are.
 */
unsigned wr_stall_look(
	struct wr_stall *stall, struct wr_gate *gate, const struct wr_stall_view *view);

/* How long until another look may find something that this one did not. The longer the
 * wait has lasted, the longer. */
uint64_t wr_stall_pause_ns(const struct wr_stall *stall, const struct wr_gate *gate);

/* The wait is over: the next look is a first one. */
void wr_stall_over(struct wr_stall *stall, struct wr_gate *gate);

/* True if the last detach was because it had cost others what it may. */
bool wr_account_overspent(const struct wr_account *account);

/* Books a detach: from here on the dwell runs, longer with each relapse. */
void wr_account_detached(struct wr_account *account, enum wr_blame blame, uint64_t now_ns);

/*
 * At a rollover: may a detached reader gate again? It has caught up, and by reading: a
 * jump since the last rollover does not count (lost: all that it has missed so far). Its
 * account allows it, and its dwell is over.
 */
bool wr_account_may_return(struct wr_account *account, const struct wr_stall *stall,
	bool caught_up, uint64_t lost, uint64_t now_ns);

#endif
