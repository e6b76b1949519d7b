/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * One slot of a subscriber's node, used for one stream after another: two publishing
 * processes, each with a publisher thread and a steward; the subscriber attaches to one,
 * reads, detaches, and gives the slot to the next.
 *
 * The slot is given away, and its words are cleared, only when the former publisher has
 * acknowledged the detach or is known to be dead. An attachment carries the epoch of the
 * slot's use, and a publisher ignores one that is not younger than the last detach that
 * it acknowledged: a second ATTACH, sent in answer to an announcement, travels on another
 * connection and may arrive late.
 *
 * Promises: a publisher never reads a cursor that was written for another stream, so no
 * honest reader is ever put out; the segment that an attached reader stands in, or was
 * told to begin in, is never retired; the subscriber is never stuck.
 *
 * TURNS, LAST   uses of the slot, ordinals that each publisher adds
 * DEATH         publisher 0 may die at any step
 */
#ifndef TURNS
#define TURNS 3
#endif
#ifndef LAST
#define LAST 2
#endif
#define FIRST(x)	(1 + (x))	/* their numbers overlap and differ */

/* Written by the subscriber. */
byte cur;

/* Written by publisher x; the books are private. */
byte head[2], oldest[2];
bool lock[2], row[2];
byte from[2], seen[2];
byte gone[2];			/* epoch of the last detach */

/* Kernel. */
bool dead[2];
chan req[2] = [2] of { byte, byte };	/* what, epoch */
chan late[2] = [1] of { byte };		/* a second ATTACH, on the other connection, of 0 */
chan rep[2] = [2] of { byte, byte };	/* what, epoch or place */
#define ATTACH 1
#define DETACH 2

/* Ghost: whose ordinal stands in the slot, 2 = nobody's. */
byte owner = 2;

proctype pub(byte x)
{
	byte c;

	{ do
	:: head[x] < FIRST(x) + LAST ->
		atomic { !lock[x] -> lock[x] = true };
		if
		:: row[x] ->
			atomic {
				c = cur;			/* @roll_cur */
				assert(c == 0 || owner == x);
				if :: c == 0 -> c = from[x] :: else -> skip fi;
				assert(c <= head[x] && c >= seen[x]);
				seen[x] = c; oldest[x] = c; c = 0
			}
		:: else -> oldest[x] = head[x]
		fi;
		atomic {
			head[x]++;				/* @roll_head */
			lock[x] = false
		}
	:: head[x] == FIRST(x) + LAST -> break
	od } unless { dead[x] }
}

/* What is done under the lock to private books alone is one step. */
inline admit(e)
{
#ifdef SLOT_NOEPOCH
	if
	:: false
#else
	if
	:: e <= gone[x] -> skip
#endif
	:: else ->
		atomic {
			!lock[x] ->				/* @admit_lock */
			if
			:: row[x] -> skip
			:: else ->
				from[x] = head[x]; seen[x] = head[x];
				row[x] = true			/* @admit_row */
			fi
		}						/* @admit_unlock */
	fi
}

proctype steward(byte x)
{
	byte m, e;

	{ skip;
end:	do
	:: atomic { nempty(req[x]) -> req[x]?m,e };
		if
		:: m == ATTACH ->
			admit(e);
			rep[x]!ATTACH,from[x]			/* @admit_reply */
		:: m == DETACH ->
#ifdef SLOT_NOLOCK
			atomic { row[x] = false; gone[x] = e };
#else
			atomic {
				!lock[x] ->
				row[x] = false; gone[x] = e	/* @detach_row */
			}
#endif
			rep[x]!DETACH,e				/* @detach_ack */
		fi;
		m = 0; e = 0
	:: atomic { nempty(late[x]) -> late[x]?e };
		admit(e);
		e = 0
	od } unless { dead[x] }
}

#ifdef DEATH
proctype killer(byte x)
{
	if :: dead[x] = true :: skip fi
}
#endif

proctype sub()
{
	byte x, e, o, m;

	do
	:: e == TURNS -> break
	:: else ->
		e++;
		if :: x = 0 :: x = 1 fi;
		if :: dead[x] -> goto next :: else -> skip fi;
		req[x]!ATTACH,e;				/* @attach_send */
		if :: x == 0 && nfull(late[0]) -> late[0]!e :: skip fi;
		do
		:: rep[x]?m,o ->
			if :: m == ATTACH -> break :: else -> skip fi
		:: dead[x] -> goto next
		od;
		m = 0;
		assert(oldest[x] <= o);
		atomic { cur = o; owner = x };			/* @enter_cur */
		do
		:: o < head[x] -> atomic { o++; cur = o }
		:: assert(oldest[x] <= o); break
		od;
#ifdef SLOT_CLEARFIRST
		atomic { cur = 0; owner = 2 };
#endif
		req[x]!DETACH,e;				/* @detach_send */
#ifndef SLOT_NOACK
		do
		:: rep[x]?m,o ->
			if :: m == DETACH && o == e -> break :: else -> skip fi
		:: dead[x] -> break
		od;
#endif
		/* Now the slot is ours alone. */
		atomic { cur = 0; owner = 2 };			/* @detach_cur */
next:		m = 0; o = 0
	od
}

init {
	atomic {
		head[0] = FIRST(0); head[1] = FIRST(1);
		oldest[0] = FIRST(0); oldest[1] = FIRST(1);
		run pub(0); run pub(1); run steward(0); run steward(1);
#ifdef DEATH
		run killer(0);
#endif
		run sub()
	}
}
