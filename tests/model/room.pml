/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Waiting for room: the publisher parks, readers that leave a segment or let a hold
 * go ring it, its steward rings it after it removed the row of a dead reader.
 *
 * A reader rings only if what it left is not above `upto`, which the publisher says with
 * its wish: only leaving a segment that it waits for, or one in limbo, can make room.
 *
 * Promises: never stuck (an invalid end state is a lost wake-up), and, under weak
 * fairness, the publisher goes on for ever as long as each reader goes on or dies
 * (run with -DNP, non-progress cycles).
 *
 * Ordinals run in a circle of M and are compared by distance, so the model runs for
 * ever; M is larger than what can be alive or held at a time.  TSO: a buffer of one
 * entry per reader and of PB entries for the publisher.  Taking the lock is an acquire
 * and drains nothing, giving it back is a release.
 *
 * NR, NSEG, M, PB   readers, segments, circle, depth of the publisher's buffer
 * DEATH             readers may die anywhere
 * KEEP              a reader may refuse to let its hold go until it has read on (then
 *                   NSEG must be NR + 2 at least: the memory bound of PROTOCOL 5)
 */
#ifndef NR
#define NR 2
#endif
#ifndef NSEG
#define NSEG 2
#endif
#ifndef M
#define M 5
#endif
#ifndef PB
#define PB 2
#endif
#define NEXT(o)		((o) % M + 1)
#define DIST(a, b)	(((b) + M - (a)) % M)	/* how far b is ahead of a */

/* Written by the publishing process. */
byte head = 1;			/* committed head: readers may go this far */
byte upto;			/* who leaves a segment up to this one rings */
bool room_wanted;		/* parked (an odd epoch) */
chan pb = [PB] of { byte, byte };	/* its store buffer: which, value */
#define B_UPTO 0
#define B_ROOM 1
#define PFENCE		empty(pb)

/* Written by reader i. */
byte cur[NR], hold[NR];
byte rbk[NR], rbv[NR];		/* its store buffer: 0 none, 1 cur, 2 hold */
#define RST(i, k, v)	atomic { rbk[i] == 0 -> rbk[i] = k; rbv[i] = v }
#define RFENCE(i)	(rbk[i] == 0)

/* Kernel. */
bool bell;			/* a token, consumed by the wait */
bool eof[NR];

/* Private to the publishing process, under the lock. */
bool lock;
bool row[NR];
#define LOCK	atomic { !lock -> lock = true }
#define UNLOCK	atomic { PFENCE -> lock = false }

proctype drain()
{
	byte k, v;

end:	do
	:: atomic { rbk[0] == 1 -> cur[0] = rbv[0]; rbk[0] = 0; rbv[0] = 0 }
	:: atomic { rbk[0] == 2 -> hold[0] = rbv[0]; rbk[0] = 0; rbv[0] = 0 }
#if NR > 1
	:: atomic { rbk[1] == 1 -> cur[1] = rbv[1]; rbk[1] = 0; rbv[1] = 0 }
	:: atomic { rbk[1] == 2 -> hold[1] = rbv[1]; rbk[1] = 0; rbv[1] = 0 }
#endif
	:: atomic {
		pb?k,v ->
		if :: k == B_UPTO -> upto = v :: else -> room_wanted = v fi;
		k = 0; v = 0
	}
	od
}

/* Books of the publisher; ghosts too. */
byte old = 1;			/* oldest live */
bool limbo[M + 1];
byte used = 1;			/* segments that are live or in limbo */

/* One pass of the rollover, R1 to R7. moved: something was retired. */
inline pass(moved)
{
	LOCK;
	g = head; i = 0;
	do
	:: i < NR ->
		if
		:: row[i] ->
			c = cur[i];			/* @roll_cur */
			if :: DIST(old, c) < DIST(old, g) -> g = c :: else -> skip fi
		:: else -> skip
		fi;
		i++
	:: else -> break
	od;
	moved = false;
	if
	:: old != g ->
		atomic {
			do
			:: old != g -> limbo[old] = true; old = NEXT(old)
			:: else -> break
			od
		}
		moved = true
	:: else -> skip
	fi;
	PFENCE;						/* @roll_fence */
	g = 1;
	do
	:: g <= M ->
		if
		:: limbo[g] ->
			i = 0; pin = false;
			do
			:: i < NR ->
				if
				:: row[i] ->
					pin = pin || cur[i] == g;	/* @roll_scan_cur */
					pin = pin || hold[i] == g	/* @roll_scan_hold */
				:: else -> skip
				fi;
				i++
			:: else -> break
			od;
			if
			:: !pin -> d_step { limbo[g] = false; used-- }
			:: else -> skip
			fi
		:: else -> skip
		fi;
		g++
	:: else -> break
	od;
	atomic { g = 0; c = 0; i = 0; pin = false };
	UNLOCK
}

proctype pub()
{
	byte c, g, i;
	bool pin, moved;

	do
	::	/* A rollover is due. */
		pass(moved);
		do
		:: used < NSEG -> break
		:: else ->
#ifdef ROOM_CHECKFIRST
			pass(moved);
			if :: used < NSEG -> break :: else -> skip fi;
#endif
			pb!B_UPTO,old;			/* @room_up_to */
			pb!B_ROOM,1;			/* @room_raise */
#ifndef ROOM_NOPFENCE
			PFENCE;				/* @room_fence */
#endif
#ifndef ROOM_CHECKFIRST
			/*
			 * Look again, and park only after a pass that retired nothing: one
			 * that did waits for readers that stand further on by now.
			 */
			pass(moved);			/* @room_recheck */
#ifndef ROOM_STALEHINT
			do
			:: moved && used >= NSEG ->
				pb!B_UPTO,old; PFENCE; pass(moved)
			:: else -> break
			od;
#endif
#endif
			if
			:: used < NSEG -> skip
			:: else -> atomic { bell -> bell = false }
			fi;
			pb!B_ROOM,0;			/* @room_lower */
			pass(moved)
		od;
progress:	skip;
		atomic { used++; head = NEXT(head) }
	od
}

/* The reader left the segment or the hold of ordinal x and has fenced. */
inline look(x)
{
	if
	:: room_wanted ->				/* @room_look */
		o = upto;				/* @room_asked */
#ifdef ROOM_STRICT
		if :: DIST(x, o) != 0 && DIST(x, o) <= M / 2 -> bell = true :: else -> skip fi;
#else
		if :: DIST(x, o) <= M / 2 -> bell = true :: else -> skip fi;
#endif
		o = 0
	:: else -> skip
	fi
}

proctype reader(byte n)
{
	byte at = 1, ho, o, left;
	bool keep;

	do
	:: at != head ->
		if
		:: ho == 0 ->
			RST(n, 2, at);			/* @hold_set */
			ho = at;
#ifdef KEEP
			if :: keep = true :: keep = false fi
#endif
		:: skip
		fi;
		left = at; at = NEXT(at);
		RST(n, 1, at);				/* @enter_cur */
#ifndef ROOM_NORFENCE
		RFENCE(n);				/* @enter_fence */
#endif
		look(left);
		/* A hold outlives its segment by one, or two, at most. */
		if
		:: ho != 0 && DIST(ho, left) > keep -> goto letgo
		:: else -> skip
		fi;
		left = 0
	:: ho != 0 && !keep ->
letgo:		left = ho; ho = 0; keep = false;
		RST(n, 2, 0);				/* @hold_clear */
#ifndef ROOM_NORFENCE
		RFENCE(n);				/* @hold_fence */
#endif
		look(left);
		left = 0
#ifdef DEATH
	:: break
#endif
	od;
	eof[n] = true
}

proctype steward()
{
	byte i;

end:	do
	:: atomic { eof[0] && row[0] -> i = 0 };
reap:		LOCK;
		row[i] = false;				/* @reap_row */
		lock = false;
#ifndef ROOM_NORING
		if :: room_wanted -> bell = true :: else -> skip fi;
#endif
		i = 0
#if NR > 1
	:: atomic { eof[1] && row[1] -> i = 1 }; goto reap
#endif
	od
}

init {
	atomic {
		cur[0] = 1; row[0] = true;
#if NR > 1
		cur[1] = 1; row[1] = true;
#endif
		run drain(); run steward(); run pub(); run reader(0);
#if NR > 1
		run reader(1)
#endif
	}
}
