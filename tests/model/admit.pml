/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Admission: a publishing node with NST streams of one topic (a publisher thread each)
 * and one steward, and a subscriber with a slot per stream, which joins, walks to the
 * end, reads, and may die anywhere. One message per segment.
 *
 * Promises: what is committed after the subscription returned is delivered, without a
 * gap; an honest cursor is never found ahead of the head (nobody is evicted); a dead
 * subscriber stops no publisher (a stuck one is an invalid end state).
 *
 * Who waits for room waits for the event itself here; room.pml has the wake-up.
 *
 * NST, NSEG, MAXO   streams, segments each, last ordinal of each
 * OPEN              the publisher may leave one claim open and roll on: who joins begins
 *                   there, for it is committed later (one stream)
 */
#ifndef NST
#define NST 1
#endif
#ifndef NSEG
#define NSEG 2
#endif
#ifndef MAXO
#define MAXO 5
#endif
#define SEGS	(NST * NSEG)
#define AT(x, s)	((x) * NSEG + (s))

/* Written by the publishing process: its regions, one per stream. */
byte hdr[SEGS], ln[SEGS], link[SEGS], data[SEGS];

/* Written by the subscriber: a slot per stream, 0 = nowhere yet. */
byte cur[NST];

/* Private books of the publishing process. Head moves under the lock only. */
bool lock[NST], row[NST];
byte from[NST], head[NST], hs[NST];

/* Kernel: sockets, the closed connection. */
bool eof;
chan req = [1] of { byte };
chan rep = [1] of { byte, byte };

/* Private too: the open claim, its ordinal (0 = none) and its segment. */
byte op_o, op_s;

/* Ghosts. */
byte committed[NST];
bool settled[MAXO + 1];		/* of stream 0 */

#define LOCK(x)		atomic { !lock[x] -> lock[x] = true }
#define UNLOCK(x)	lock[x] = false

#ifdef ADMIT_ONESLOT
#define CUR(x)	cur[0]
#else
#define CUR(x)	cur[x]
#endif

#if NST > 1
#define DONE	(next[0] > MAXO && next[1] > MAXO)
#else
#define DONE	(next[0] > MAXO)
#endif

/* Follow the link of a segment that we stand in; it must still be there. */
inline follow()
{
	n = link[AT(x, s[x])];
	assert(n != 0);
	s[x] = n - 1; n = 0;
	o[x]++;
	cur[x] = o[x];
	assert(hdr[AT(x, s[x])] == o[x])
}

/* The caller goes on with its claim and commits it. */
inline finish()
{
	assert(data[AT(x, op_s)] == op_o && hdr[AT(x, op_s)] == op_o);
	atomic { ln[AT(x, op_s)] = 1; settled[op_o] = true };
	atomic { op_o = 0; op_s = 0 }
}

proctype pub(byte x)
{
	byte c, g, s, p, so[NSEG];

	so[0] = 1;
	do
	:: head[x] == MAXO -> break
#ifdef OPEN
	:: op_o != 0 -> finish()
#endif
	:: head[x] < MAXO ->
again:		LOCK(x);
		g = head[x];
		if
		:: row[x] ->
			c = CUR(x);				/* @roll_cur */
			assert(c <= g);
#ifdef ADMIT_CUR0
			if :: c < g && c != 0 -> g = c :: else -> skip fi;
#else
			if :: c < from[x] -> c = from[x] :: else -> skip fi;
			if :: c < g -> g = c :: else -> skip fi;
#endif
		:: else -> skip
		fi;
#ifdef OPEN
		if :: op_o != 0 && op_o < g -> g = op_o :: else -> skip fi;
#endif
		s = 0;
		do
		:: s < NSEG && !(so[s] < g) -> s++
		:: else -> break
		od;
		if
		:: s < NSEG -> skip
		:: else ->
#ifdef ADMIT_WAITLOCKED
			CUR(x) > c;
			UNLOCK(x);
#else
			UNLOCK(x);
#ifdef OPEN
			if
			:: op_o != 0 -> finish()
			:: op_o == 0 && ((row[x] && CUR(x) > c) || !row[x])
			fi;
#else
			(row[x] && CUR(x) > c) || !row[x];
#endif
#endif
			c = 0; g = 0;
			goto again
		fi;
		hdr[AT(x, s)] = 0;				/* @roll_retire */
		ln[AT(x, s)] = 0; link[AT(x, s)] = 0;
		so[s] = head[x] + 1;
		hdr[AT(x, s)] = head[x] + 1;			/* @roll_ord */
#ifdef ADMIT_LINKFIRST
		link[AT(x, hs[x])] = s + 1;
		UNLOCK(x);
		LOCK(x);
		hs[x] = s; head[x]++;
#else
		p = hs[x]; hs[x] = s;
		head[x]++;					/* @roll_head */
		link[AT(x, p)] = s + 1;				/* @roll_link */
#endif
		UNLOCK(x);
		data[AT(x, s)] = head[x];
#ifdef OPEN
		if
		:: op_o == 0 -> atomic { op_o = head[x]; op_s = s }; goto next
		:: skip
		fi;
#endif
		atomic {
			ln[AT(x, s)] = 1;			/* @commit_len */
			committed[x] = head[x];
			if :: x == 0 -> settled[head[x]] = true :: else -> skip fi
		}
next:
		s = 0; g = 0; c = 0
	od;
#ifdef OPEN
	if :: op_o != 0 -> finish() :: else -> skip fi
#endif
}

proctype steward()
{
	byte x, o, s;
	bool conn;

end:	do
	:: atomic { nempty(req) -> req?x; conn = true };
#ifdef ADMIT_KEY
		/* Rows keyed by the subscription alone: the second stream finds one. */
		if
		:: x > 0 && row[0] -> o = head[x]; s = hs[x]; rep!o,s; goto l
		:: else -> skip
		fi;
#endif
#ifdef ADMIT_NOLOCK
		o = head[x]; s = hs[x];
		LOCK(x); from[x] = o; row[x] = true; UNLOCK(x);
		rep!o,s;
#else
#ifdef ADMIT_REPLYFIRST
		LOCK(x); o = head[x]; s = hs[x]; UNLOCK(x);
		rep!o,s;
		LOCK(x); from[x] = o; row[x] = true; UNLOCK(x);
#else
		LOCK(x);					/* @admit_lock */
		o = head[x]; s = hs[x];
#if defined(OPEN) && !defined(ADMIT_OPENHEAD)
		atomic { if :: op_o != 0 -> o = op_o; s = op_s :: else -> skip fi };
#endif
		from[x] = o; row[x] = true;			/* @admit_row */
		UNLOCK(x);					/* @admit_unlock */
		rep!o,s;					/* @admit_reply */
#endif
#endif
l:		o = 0; s = 0; x = 0
	:: conn && eof && empty(req) ->
#ifndef ADMIT_NOREAP
		x = 0;
		do
#ifdef ADMIT_REAPONE
		:: x < 1 ->
#else
		:: x < NST ->
#endif
			LOCK(x);
			row[x] = false;				/* @reap_row */
			UNLOCK(x);
			x++
		:: else -> break
		od;
		x = 0;
#endif
		conn = false
	od
}

proctype sub()
{
	byte x, n, o[NST], s[NST], next[NST];

	x = 0;
	do
	:: x < NST ->
		req!x;
		if :: rep?o[x],s[x] :: eof = true; goto dead fi;
		if :: skip :: eof = true; goto dead fi;
		cur[x] = o[x];					/* @enter_cur */
		/* Cannot fail: we gate from o. */
		assert(hdr[AT(x, s[x])] == o[x]);		/* @enter_check */
		/* 'latest': walk to the first frame that is not committed. */
		do
		:: ln[AT(x, s[x])] == 0 -> break
		:: ln[AT(x, s[x])] != 0 && link[AT(x, s[x])] == 0 -> break
		:: ln[AT(x, s[x])] != 0 && link[AT(x, s[x])] != 0 ->
			follow()
		od;
		atomic {
			if
			:: ln[AT(x, s[x])] == 0 -> next[x] = o[x]
			:: else -> next[x] = o[x] + 1
			fi;
#ifdef OPEN
			/* What is left out had been committed before. */
			n = 1;
			do
			:: n < next[0] -> assert(settled[n]); n++
			:: else -> break
			od;
			n = 0;
#else
			assert(next[x] <= committed[x] + 1);
#endif
			x++
		}
	:: else -> break
	od;
	x = 0;
	do
	:: eof = true; goto dead
	:: DONE -> break
#if NST > 1
	:: x == 0 -> x = 1
	:: x == 1 -> x = 0
#endif
	:: next[x] <= MAXO ->
		if
		:: o[x] == next[x] && ln[AT(x, s[x])] != 0 ->
			assert(data[AT(x, s[x])] == next[x] && hdr[AT(x, s[x])] == o[x]);
			next[x]++
		:: o[x] < next[x] && link[AT(x, s[x])] != 0 ->
			follow()
#if NST > 1
		:: else -> x = 1 - x
#endif
		fi
	od;
dead:	skip
}

init {
	atomic {
		byte j;

		j = 0;
		do
		:: j < NST ->
			hdr[AT(j, 0)] = 1; data[AT(j, 0)] = 1; ln[AT(j, 0)] = 1;
			head[j] = 1; committed[j] = 1; settled[1] = true;
			run pub(j);
			j++
		:: else -> break
		od;
		j = 0;
		run steward(); run sub()
	}
}
