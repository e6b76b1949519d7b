/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The move of a stream to a fresh region: the publisher may go on in region 1 at any
 * rollover; ordinals go on. Reader 0 is there from the beginning and may be detached;
 * reader 1 joins at any time (JOIN). The publisher waits for room with a window of WIN
 * segments, and may be killed at any step. One message per segment, a segment for each
 * ordinal (reuse.pml has the reuse).
 *
 * Each admitted reader is sent the descriptor before the frame that leads to the new
 * region can be seen; what was sent outlives the sender in the socket. Whatever readers
 * look at in a region's header (hints, room_wanted) they look at where they stand.
 *
 * Promises: who gates gets all that was committed after it was admitted, also when the
 * publisher dies; a detached reader finds its way into the new region and reads to the
 * end; the old region is given back, and not while somebody stands in it or holds a
 * message of it; a reader keeps it mapped while it does; the publisher is never stuck.
 *
 * MAXO, WIN   last ordinal, window
 * JOIN        reader 1 joins
 * KILL        the publisher may be killed
 * DETACH      reader 0 may be detached at any rollover
 */
#ifndef MAXO
#define MAXO 4
#endif
#ifndef WIN
#define WIN 2
#endif
#define O	(MAXO + 2)
#define ROLL 1
#define MOVE 2

/* Written by the publisher, in its regions. */
bool live[O];			/* the ordinal of the segment stands */
bool ln[O];			/* its one message is committed */
byte link[O];			/* roll frame */
byte hint[2], newest[2];	/* oldest and head, in each header */
bool room_wanted[2];

/* Written by reader i. */
byte cur[2], hold[2];

/* Private to the publishing process, under the lock. */
bool lock, row[2], gate[2];
byte from[2], head = 1, oldest = 1;
byte first1;			/* first ordinal of region 1, 0 = no move yet */
#define REGION(o)	(first1 != 0 && (o) >= first1)

/* Kernel. */
bool dead, bell;
chan req = [1] of { bit };
chan sock[2] = [2] of { byte, byte };	/* what the publishing process said */
#define HERE0 0			/* admitted: the place, in region 0 */
#define HERE1 1			/* the same, in region 1 */
#define MOVED 2			/* the descriptor of region 1 */

/* Private to reader i's process: the descriptor, as far as its steward has it. */
bool has[2];
byte place[2];			/* where it was told to begin */

/* Ghosts. */
bool freed, pubdone;
byte committed = 1;
#ifdef KILL
#define UNLESS_KILLED	unless { dead }
#else
#define UNLESS_KILLED
#endif

/* R1 to R7: retires what may go; full: no room. */
inline pass()
{
	atomic {
		g = head; i = 0;
		do
		:: i < 2 ->
			if
			:: row[i] && gate[i] ->
				c = cur[i];			/* @roll_cur */
				if :: c == 0 -> c = from[i] :: else -> skip fi;
				if :: c < g -> g = c :: else -> skip fi
			:: else -> skip
			fi;
			i++
		:: else -> break
		od;
		i = 0; c = 0
	}
	do
	:: oldest < g && head - oldest + 1 >= WIN ->
#ifdef MOVE_HINTFIRST
		hint[REGION(oldest + 1)] = oldest + 1;
		live[oldest] = false;
		oldest++
#else
		live[oldest] = false;				/* @roll_retire */
		atomic {
			oldest++;
			hint[REGION(oldest)] = oldest		/* @roll_oldest */
		}
#endif
	:: else -> break
	od;
	g = 0;
	/* The region that was left goes with its last segment. */
	if
	:: first1 != 0 && oldest >= first1 && !freed ->
#ifndef MOVE_FREEEARLY
		do
		:: i < 2 ->
			if
			:: row[i] && cur[i] != 0 && cur[i] < first1 -> break	/* @roll_scan_cur */
			:: else -> skip
			fi;
			if
			:: row[i] && hold[i] != 0 -> break		/* @roll_scan_hold */
			:: else -> skip
			fi;
			i++
		:: else -> freed = true; break
		od;
		i = 0
#else
		freed = true
#endif
	:: else -> skip
	fi
}
#define FULL	(head - oldest + 1 >= WIN)

inline send()
{
	if :: row[0] -> sock[0]!MOVED,0 :: else -> skip fi;
	if :: row[1] -> sock[1]!MOVED,0 :: else -> skip fi
}

proctype pub()
{
	byte c, g, i;
	bool move;

	{ do
	:: head == MAXO -> break
	:: else ->
		if :: first1 == 0 -> move = true :: move = false fi;
#ifdef MOVE_NOLOCK
		if :: move -> send() :: else -> skip fi;
#endif
again:		atomic { !lock -> lock = true };
#ifdef DETACH
		if :: gate[0] = false :: skip fi;
#endif
		pass();
		if
		:: FULL ->
			lock = false;
			room_wanted[0] = true;			/* @room_raise */
			if :: first1 != 0 -> room_wanted[1] = true :: else -> skip fi;
#ifdef MOVE_ROOMNEW
			if :: first1 != 0 -> room_wanted[0] = false :: else -> skip fi;
#endif
			atomic { !lock -> lock = true };
			pass();					/* @room_recheck */
			lock = false;
			if :: FULL -> atomic { bell -> bell = false } :: else -> skip fi;
			room_wanted[0] = false;			/* @room_lower */
			room_wanted[1] = false;
			goto again
		:: else -> skip
		fi;
		/* The segment first, with its ordinal; then who may need it; then the link. */
		live[head + 1] = true;				/* @roll_ord */
		if
		:: move ->
			atomic { first1 = head + 1; hint[1] = head + 1 };
#if !defined(MOVE_LINKFIRST) && !defined(MOVE_NOLOCK)
			send()					/* @move_send */
#endif
		:: else -> skip
		fi;
		atomic { head++; newest[REGION(head)] = head };	/* @roll_head */
		if
		:: move -> link[head - 1] = MOVE		/* @roll_link */
		:: else -> link[head - 1] = ROLL		/* @roll_link */
		fi;
#ifdef MOVE_LINKFIRST
		if :: move -> send() :: else -> skip fi;
#endif
		lock = false;
		atomic { ln[head] = true; committed = head };	/* @commit_len */
		move = false
	od;
	/* Nothing is published any more; who stays looks again until the region is free. */
	pubdone = true;						/* @end_close */
	if
	:: first1 != 0 && oldest >= first1 ->
		(cur[0] == 0 || cur[0] >= first1) && (cur[1] == 0 || cur[1] >= first1);
		(hold[0] == 0 && hold[1] == 0);
		pass();
		assert(freed)
	:: else -> skip
	fi
	} UNLESS_KILLED
}

proctype steward()
{
	byte o;
#ifdef MOVE_REPLYLATE
	byte m;
#endif

	{ skip;
end:	do
	:: req?_ ->
		atomic { !lock -> lock = true };		/* @admit_lock */
		o = head;
		from[1] = o; gate[1] = true; row[1] = true;	/* @admit_row */
#ifdef MOVE_REPLYLATE
		m = REGION(o);
		lock = false;
		sock[1]!m,o
#else
		if
		:: REGION(o) -> sock[1]!HERE1,o			/* @admit_reply */
		:: else -> sock[1]!HERE0,o
		fi;
		lock = false					/* @admit_unlock */
#endif
	od
	} UNLESS_KILLED
}

#ifdef KILL
proctype killer()
{
	if :: dead = true :: skip fi
}
#endif

/* The subscriber's steward takes what comes; what is said about a stream to which it is
 * not attached yet says nothing to it. */
proctype taker(byte n)
{
	byte m, o;

end:	do
	:: atomic {
		sock[n]?m,o ->
		if
		:: m == MOVED && place[n] != 0 -> has[n] = true		/* @move_follow */
		:: m == MOVED && place[n] == 0 -> skip
		:: m != MOVED -> place[n] = o; has[n] = (m == HERE1)
		fi;
		m = 0; o = 0
	}
	od
}

/* All that can still come from the publisher is here. */
#define LAST(n)		((dead || pubdone) && empty(sock[n]))

inline leave(left)
{
	if
	:: room_wanted[here] && left <= hint[here] -> bell = true	/* @room_look */
	:: else -> skip
	fi
}

#ifdef MOVE_HINTFIRST
#define NOWHERE(n)	(here == 0 && !has[n] && !live[hint[0]])
#else
#define NOWHERE(n)	(here == 0 && !has[n] && !live[hint[0]] && !live[newest[0]])
#endif

proctype reader(byte n)
{
	byte o = 1, x;
	bit here = 0;		/* the region that it stands in */
	bool mapped = true;	/* region 0 */

	if
	:: n == 1 ->
		req!0;
		if
		:: place[1] != 0
		:: dead && empty(sock[1]) && place[1] == 0 -> goto out
		fi;
		atomic {
			o = place[1];
			/* Only what is said with the place can be there already. */
			if
			:: o >= first1 && first1 != 0 -> here = 1; mapped = false
			:: else -> skip
			fi
		}
		cur[1] = o;					/* @enter_cur */
		assert(live[o])					/* @enter_check */
	:: else -> skip
	fi;
	do
	::	if
		:: ln[o]					/* @read_len */
		:: LAST(n) && !ln[o] -> break			/* @end_look */
		fi;
		assert(here == 1 || (!freed && mapped));
		if
		:: n == 0 && hold[0] == 0 && here == 0 -> hold[0] = o	/* @hold_set */
		:: skip
		fi;
		if
		:: link[o] == ROLL
		:: link[o] == MOVE ->
			/* Sent before the frame could be seen: it is here, or will be. */
			has[n];					/* @move_adopt */
			goto newregion
		:: LAST(n) && link[o] == 0 -> break
		fi;
		cur[n] = o + 1;
		if
		:: live[o + 1] -> leave(o); o++
		:: else -> goto overrun
		fi;
		goto next
newregion:	cur[n] = o + 1;
		if
		:: live[o + 1] -> leave(o); here = 1; o++
		:: else -> leave(o); here = 1; goto overrun
		fi;
#ifdef MOVE_UNMAP
		mapped = false;
#else
		if :: hold[n] == 0 -> mapped = false :: else -> skip fi;
#endif
		goto next
overrun:	assert(!gate[n]);
		do
		::	if
			:: x = hint[here]			/* @overrun_oldest */
#ifndef MOVE_HINTFIRST
			:: x = newest[here]			/* @overrun_head */
#endif
			fi;
			cur[n] = x;
			if
			:: live[x] -> leave(o); o = x; break
			:: else ->
				if
				:: here == 0 && has[n] -> here = 1
				:: NOWHERE(n) ->
					/* The descriptor must come; until then we stand nowhere. */
					if
					:: !NOWHERE(n)
					:: LAST(n) && NOWHERE(n) -> goto lost
					fi
				:: else -> skip
				fi
			fi
		od;
next:		x = 0;
		/* It goes on without the message that it kept, sooner or later. */
		if
		:: hold[n] != 0 && hold[n] < o ->
			assert(mapped && !freed);
			if
			:: x = hold[n]; hold[n] = 0;		/* @hold_clear */
				if
				:: room_wanted[0] && x <= hint[0] -> bell = true
				:: else -> skip
				fi;
				if :: here == 1 -> mapped = false :: else -> skip fi
			:: skip
			fi
		:: else -> skip
		fi;
		x = 0
	od;
	/* At the end: nothing that was committed is missing. */
	assert(committed < o || (committed == o && ln[o]));
	goto out;
lost:	assert(false);
out:	assert(hold[n] == 0 || (mapped && !freed));
	hold[n] = 0;
	cur[n] = 0;
	if :: room_wanted[0] || room_wanted[1] -> bell = true :: else -> skip fi
}

init {
	atomic {
		live[1] = true; ln[1] = true; hint[0] = 1; newest[0] = 1;
		place[0] = 1;
		row[0] = true; gate[0] = true; from[0] = 1; cur[0] = 1;
		run pub(); run taker(0); run reader(0);
#ifdef JOIN
		run steward(); run taker(1); run reader(1);
#endif
#ifdef KILL
		run killer()
#endif
	}
}
