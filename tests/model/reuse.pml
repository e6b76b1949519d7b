/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Reuse of segments: the publisher retires in ordinal order and reuses the hottest
 * segment that nobody pins; readers announce, fence and check; they may keep a
 * message past its turn, are detached and gated again at any rollover, and jump
 * when they were overrun.  One message per segment.
 *
 * Promises: who gates never fails its check and loses nothing; nobody ever reads
 * bytes of another ordinal; the base of a validated segment is that of its ordinal;
 * no honest cursor is ever found running backwards or ahead of the head;
 * the publisher never reuses a segment in which its own claim is open.
 *
 * The stores that a Dekker pair needs go through a store buffer of one entry per
 * process (TSO); a fence waits until it is empty.
 *
 * NSEG, MAXO   segments, last ordinal
 * OPEN         the publisher may leave one claim open and roll on
 * OBS          an observer that never attached looks at the first two segments
 * HEADHINT     who was overrun may also try the head, after it tried the oldest
 */
#ifndef NSEG
#define NSEG 3
#endif
#ifndef MAXO
#define MAXO 5
#endif
#define NR 2
#define NONE 255

/* Written by the publisher only. */
byte hdr[NSEG];		/* ordinal of the segment, 0 = retired */
byte base[NSEG];	/* sequence of its first claim */
byte ln[NSEG];		/* its one frame: 0 = not committed */
byte data[NSEG];	/* payload: the ordinal, or 99 while it is being written */
byte link[NSEG];	/* roll frame: next segment + 1, 0 = none yet */
byte old_o = 1, old_s;	/* hint: oldest live segment, one word */
byte head_o = 1, head_s;	/* hint: head segment, one word */

/* Written by reader i only. */
byte cur[NR], hold[NR];

/* Store buffers. Readers: kind 0 none, 1 cur, 2 hold. Publisher: segment or NONE. */
byte rbk[NR], rbv[NR];
byte pbs = NONE, pbv;

/* Ghosts: the publisher's private book of who gates, read by assertions only. */
bool gate[NR];
bool pubdone;

#define RST(i, k, v)	atomic { rbk[i] == 0 -> rbk[i] = k; rbv[i] = v }
#define RFENCE(i)	(rbk[i] == 0)
#define PST(s, v)	atomic { pbs == NONE -> pbs = s; pbv = v }
#define PFENCE		(pbs == NONE)

proctype drain()
{
end:	do
	:: atomic { rbk[0] == 1 -> cur[0] = rbv[0]; rbk[0] = 0 }
	:: atomic { rbk[0] == 2 -> hold[0] = rbv[0]; rbk[0] = 0 }
	:: atomic { rbk[1] == 1 -> cur[1] = rbv[1]; rbk[1] = 0 }
	:: atomic { rbk[1] == 2 -> hold[1] = rbv[1]; rbk[1] = 0 }
	:: atomic { pbs != NONE -> hdr[pbs] = pbv; pbs = NONE }
	od
}

proctype pub()
{
	byte so[NSEG];		/* private: ordinal, live or in limbo; 0 = free */
	bool live[NSEG];
	byte head = 1, hs = 0, oldest = 1, c[NR], seen[NR], g, s, i, p, h, top = NONE;
	byte op_o, op_s;	/* the open claim: its ordinal (0 = none), its segment */
	bool pinned[NSEG];

	atomic { so[0] = 1; live[0] = true };
	do
	:: head == MAXO -> break
#ifdef OPEN
	:: op_o != 0 ->		/* the caller goes on with its claim and commits it */
		assert(so[op_s] == op_o && data[op_s] == 99);
		data[op_s] = op_o;
		atomic { ln[op_s] = 1; op_o = 0; op_s = 0 }
#endif
	:: head < MAXO ->
again:		/* R1: each cursor once. */
		c[0] = cur[0];				/* @roll_cur */
		c[1] = cur[1];
		/* An honest cursor runs forward only and never ahead: nobody is put out. */
		atomic {
			assert(c[0] >= seen[0] && c[0] <= head);
			assert(c[1] >= seen[1] && c[1] <= head);
			seen[0] = c[0]; seen[1] = c[1]
		}
		/* R2: verdicts, any; R3: how far may we retire. */
		atomic {
			i = 0;
			do
			:: i < NR ->
				if
				:: gate[i] -> if :: gate[i] = false :: skip fi
				:: else ->
#ifdef REUSE_REGATE
					if :: gate[i] = true :: skip fi
#else
					if
					:: c[i] >= oldest && c[i] <= head ->
						if :: gate[i] = true :: skip fi
					:: else -> skip
					fi
#endif
				fi;
				i++
			:: else -> break
			od;
			g = head; i = 0;
			do
			:: i < NR ->
				if :: gate[i] && c[i] < g -> g = c[i] :: else -> skip fi;
				i++
			:: else -> break
			od;
			i = 0;
#if defined(OPEN) && !defined(REUSE_NOOPEN)
			if :: op_o != 0 && op_o < g -> g = op_o :: else -> skip fi
#endif
		}
		/* R4: retire, oldest first, so that what is alive stays one piece. */
		do
		:: oldest < g ->
			atomic {
				s = 0;
				do :: so[s] == oldest && live[s] -> break :: else -> s++ od
			}
#ifndef REUSE_LATECLEAR
			PST(s, 0);			/* @roll_retire */
#endif
			atomic {
				live[s] = false; oldest++; i = 0;
				do
				:: i < NSEG && so[i] == oldest && live[i] ->
					old_o = oldest; old_s = i;	/* @roll_oldest */
					break
				:: i >= NSEG -> break
				:: else -> i++
				od;
				i = 0
			}
		:: else -> break
		od;
#ifndef REUSE_NOPFENCE
		PFENCE;					/* @roll_fence */
#endif
		/* R6: who still stands in what is in limbo: each row's words once, the
		 * announcement before the holds. */
		i = 0;
		do
		:: i < NR ->
#ifdef REUSE_HOLDFIRST
			h = hold[i]; p = cur[i];
#else
			p = cur[i];			/* @roll_scan_cur */
			h = hold[i];			/* @roll_scan_hold */
#endif
#ifdef REUSE_NOPIN
			p = 0;
#endif
			atomic {
				s = 0;
				do
				:: s < NSEG ->
					pinned[s] = pinned[s] || p == so[s] || h == so[s];
					s++
				:: else -> break
				od;
				s = 0; i++; p = 0; h = 0
			}
		:: else -> break
		od;
		atomic {
			s = 0;
			do
			:: s < NSEG ->
				if
				:: so[s] != 0 && !live[s] && !pinned[s] -> so[s] = 0; top = s
				:: else -> skip
				fi;
				pinned[s] = false;
				s++
			:: else -> break
			od;
			i = 0
		}
		/* R7: take the hottest. None: wait, and start again from R1. */
		atomic {
			if
			:: top != NONE && so[top] == 0 -> s = top
			:: else ->
				s = 0;
				do :: s < NSEG && so[s] != 0 -> s++ :: else -> break od
			fi;
			i = 0
		}
		if
		:: atomic { s >= NSEG -> s = 0; g = 0; top = NONE; c[0] = 0; c[1] = 0 }
#ifdef OPEN
			/* The caller is told AGAIN; it may have to commit first. */
			if
			:: op_o != 0 ->
				assert(so[op_s] == op_o && data[op_s] == 99);
				data[op_s] = op_o;
				atomic { ln[op_s] = 1; op_o = 0; op_s = 0 }
			:: skip
			fi;
#endif
			goto again
		:: else -> skip
		fi;
		/* R8: everything else first, the ordinal last, then the link. */
		PFENCE;					/* @roll_dirty */
#ifdef REUSE_LATECLEAR
		PST(s, 0);
		PFENCE;
#endif
#ifdef REUSE_HDRFIRST
		hdr[s] = head + 1;
		ln[s] = 0; link[s] = 0; base[s] = head + 1;
#else
		ln[s] = 0;				/* @roll_zero */
		link[s] = 0;
#ifdef REUSE_LATEBASE
		hdr[s] = head + 1;
		base[s] = head + 1;
#else
		base[s] = head + 1;			/* @roll_base */
		hdr[s] = head + 1;			/* @roll_ord */
#endif
#endif
		atomic { head_o = head + 1; head_s = s };	/* @roll_head */
		atomic {
			link[hs] = s + 1;		/* @roll_link */
			so[s] = head + 1; live[s] = true; hs = s; head++;
			c[0] = 0; c[1] = 0; g = 0; top = NONE
		}
		data[s] = 99;
#ifdef OPEN
		if
		:: op_o == 0 -> atomic { op_o = head; op_s = s }
		:: data[s] = head; ln[s] = 1
		fi;
#else
		data[s] = head;
		ln[s] = 1;
#endif
		s = 0
	od;
#ifdef OPEN
	if
	:: op_o != 0 ->
		assert(so[op_s] == op_o && data[op_s] == 99);
		data[op_s] = op_o;
		atomic { ln[op_s] = 1; op_o = 0; op_s = 0 }
	:: else -> skip
	fi;
#endif
	pubdone = true
}

proctype reader(byte i)
{
	byte o = 1, s = 0, nx, ho = 0, hseg = 0;
#ifdef REUSE_STALEPLACE
	byte wo;
#endif

	do
	::	/* Inside a validated segment. */
		if :: ln[s] != 0 -> skip :: pubdone && ln[s] == 0 -> break fi;
		assert(data[s] == o);
		if
		:: ho == 0 ->
#ifdef REUSE_CURBEFOREHOLD
			skip
#else
			RST(i, 2, o);			/* @hold_set */
			ho = o; hseg = s
#endif
		:: ho == 0 -> skip
		:: ho != 0 -> assert(data[hseg] == ho)
		:: ho != 0 ->
			assert(data[hseg] == ho);
			RST(i, 2, 0);			/* @hold_clear */
			ho = 0; hseg = 0
		fi;
		if :: link[s] != 0 -> nx = link[s] - 1 :: pubdone && link[s] == 0 -> break fi;
		assert(data[s] == o);
		RST(i, 1, o + 1);			/* @enter_cur */
#ifdef REUSE_CURBEFOREHOLD
		if :: ho == 0 -> RST(i, 2, o); ho = o; hseg = s :: skip fi;
#endif
#ifndef REUSE_NORFENCE
		RFENCE(i);				/* @enter_fence */
#endif
#ifdef REUSE_NOVALID
		s = nx; o++; nx = 0
#else
		if
		:: hdr[nx] == o + 1 -> s = nx; o++; nx = 0	/* @enter_check */
		:: else ->
			assert(!gate[i]);	/* who gates never loses */
#ifdef REUSE_STALEPLACE
			wo = o;
#endif
			do
			::	if
				:: atomic { nx = old_s; o = old_o }	/* @overrun_oldest */
#ifdef HEADHINT
				:: atomic { nx = head_s; o = head_o }	/* @overrun_head */
#endif
				fi;
				RST(i, 1, o);
				RFENCE(i);
				if
				:: hdr[nx] == o ->
					s = nx; nx = 0;
					assert(base[s] == o);	/* @read_base */
					break
				:: else ->
					assert(!gate[i]);
#ifdef REUSE_STALEPLACE
					/* Gives up for now, and looks again where it stood. */
					if :: o = wo; break :: skip fi
#endif
				fi
			od
		fi
#endif
	od;
	if :: ho != 0 -> assert(data[hseg] == ho) :: else -> skip fi
}

#ifdef OBS
proctype observer()
{
	byte s, h, l, d;

	do
	::	if :: s = 0 :: s = 1 fi;
		h = hdr[s];				/* @look_ord */
		if
		:: h != 0 ->
			if
			:: l = ln[s];			/* @look_len */
				if
				:: l != 0 -> d = data[s]	/* @look_copy */
				:: else -> d = h
				fi
			:: d = base[s]
			fi;
			if
			:: hdr[s] == h -> assert(d == h)	/* @look_fence @look_check */
			:: else -> skip
			fi
		:: else -> skip
		fi;
		h = 0; l = 0; d = 0
	:: break
	od
}
#endif

init {
	atomic {
		hdr[0] = 1; base[0] = 1; data[0] = 1; ln[0] = 1;
		cur[0] = 1; cur[1] = 1; gate[0] = true; gate[1] = true;
		run drain(); run pub(); run reader(0); run reader(1);
#ifdef OBS
		run observer();
#endif
	}
}
