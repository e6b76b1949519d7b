/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Whose is a loop while a handler runs: the lease. A thread polls, and lets go of its loop for
 * each handler; a sentinel that has seen a handler may want it to end, take the loop, or find
 * that it has ended meanwhile. Who is given the loop then keeps it.
 *
 * Promise: never two threads in the loop; a thread whose loop was taken finds that out at the
 * end of that handler; nobody waits for ever for the sentinel's word.
 *
 * With PARK: a sentinel that sleeps because the loop does, and a loop that wakes. Promise: no
 * sentinel sleeps while the loop does not.
 *
 * TSO: a buffer of three entries for the thread, and of two for the sentinel. The heavy fence
 * waits until both were empty.
 *
 * POLLS, LOOKS  of the thread, of the sentinel
 * XCHG          the form without a heavy fence
 */
#ifndef POLLS
#define POLLS 3
#endif
#ifndef LOOKS
#define LOOKS 3
#endif

#define HELD 0
#define HANDLER 1
#define ASLEEP 2
#define TAKEN 3
#define WANT_END 1
#define WANT_LOOP 2

#ifdef PARK
byte word = ASLEEP;
#else
byte word;			/* written by the thread, through its buffer: poll * 4 + state */
#endif
byte want;			/* written by the sentinel, the same */
chan rb = [3] of { byte };
chan sb = [2] of { byte };

bool mine = true;			/* ghost: the thread may touch the loop */
bool other;			/* ghost: somebody else may */

#ifdef PARK
bool parked;
chan pb = [1] of { bool };
#endif

active proctype drain()
{
	byte v;

end:	do
	:: atomic { rb?v -> word = v; v = 0 }
	:: atomic { sb?v -> want = v; v = 0 }
#ifdef PARK
	:: atomic { pb?v -> parked = v; v = 0 }
#endif
	od
}

#ifndef PARK

active proctype thread()
{
	byte n, w;

	do
	:: n < POLLS ->
		n++;
#ifndef LEASE_LATETOUCH
		mine = false;
#endif
		rb!n * 4 + HANDLER;				/* @lease_begin */
#ifdef LEASE_LATETOUCH
		assert(!other);
		mine = false;
#endif
#ifdef XCHG
		atomic { empty(rb) -> w = word; word = n * 4 + HELD };	/* @lease_swap */
		if :: w % 4 == TAKEN -> break :: else fi;
#else
		rb!n * 4 + HELD;				/* @lease_end */
		/* What is not fenced is no step. */		/* @lease_light */
#ifndef LEASE_NOLOOK
		w = want;					/* @lease_look */
		do
		:: w == n * 4 + WANT_LOOP -> w = want		/* @lease_word */
		:: else -> break
		od;
		if :: w == n * 4 + TAKEN -> break :: else fi;
#endif
#endif
		w = 0;
		mine = true;
		assert(!other)
	:: else -> goto ended
	od;
	/* Its loop was taken: it does not touch it again. */
	assert(other);
ended:	skip
}

active proctype sentinel()
{
	byte looks, seen, again;

	do
	:: looks < LOOKS ->
		looks++;
		seen = word;					/* @lease_see */
		if
		:: seen % 4 == HANDLER ->
#ifdef XCHG
			if
			:: atomic { empty(sb) && word == seen ->	/* @lease_seize */
				word = seen - HANDLER + TAKEN; other = true };
				assert(!mine);
				break
			:: atomic { word != seen -> skip }
			fi
#else
			if
			:: sb!seen - HANDLER + WANT_END		/* @lease_nudge */
			:: skip
			fi;
			sb!seen - HANDLER + WANT_LOOP;		/* @lease_want */
#ifndef LEASE_NOHEAVY
			atomic { empty(rb) && empty(sb) };	/* @lease_heavy */
#endif
#ifndef LEASE_NOAGAIN
			again = word;				/* @lease_again */
#else
			again = seen;
#endif
			if
			:: again == seen ->
				other = true;
				assert(!mine);
				sb!seen - HANDLER + TAKEN;	/* @lease_taken */
				break
			:: else -> sb!0				/* @lease_leave */
			fi
#endif
		:: else
		fi;
		seen = 0;
		again = 0
	:: else -> break
	od
}

#else

active proctype waking()
{
	rb!4 + HELD;						/* @lease_sleep */
#ifndef LEASE_NOWAKEFENCE
	atomic { empty(rb) };					/* @relief_fence */
#endif
	if
	:: parked ->						/* @relief_parked */
		atomic { empty(rb) -> parked = false }
	:: else
	fi
}

active proctype parking()
{
	pb!true;						/* @relief_park */
#ifndef LEASE_NOPARKFENCE
	atomic { empty(pb) };					/* @relief_parks */
#endif
	if
	:: word % 4 == ASLEEP ->
		/* Until it is woken. */
		atomic { empty(pb) && !parked }
	:: else
	fi
}

#endif
