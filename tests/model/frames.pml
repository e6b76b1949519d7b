/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Frames in dirty memory: up to two open claims, committed in any order, shorter than
 * claimed, or aborted; a roll into a second segment; the publisher may be killed
 * before any of its steps, or close; one reader.
 *
 * A frame is one header cell and 1 or 2 payload cells. A header has a length word
 * (0 = not committed, else the extent, and flags) and a mark word (the extent that was
 * claimed); payload dirties both words of its cells.
 *
 * Promises: the reader takes no payload for a header; what was committed is delivered
 * exactly, also behind a claim that a dead publisher left open, and it steps over
 * exactly the claims that were open (the books call them unknowable).
 *
 * L0, L1   cells of the two segments
 * KILL     the publisher may be killed
 */
#ifndef L0
#define L0 8
#endif
#ifndef L1
#define L1 4
#endif
#define CELLS	(L0 + L1)
#define PAD	16
#define ROLL	32

/* Written by the publisher. */
byte ln[CELLS], mark[CELLS];
bool closed;

/* Kernel: the confirmed death. */
bool dead;

/* Ghosts. */
bool start[CELLS];		/* a committed frame begins here */
byte extent[CELLS];		/* a claim began here, of so many cells */
byte good, got, nopen, over;
#ifdef KILL
#define UNLESS_KILLED	unless { dead }
#else
#define UNLESS_KILLED
#endif

/* One aligned 64-bit store. */
#ifdef FRAMES_SPLITZERO
#define ZERO(x)		ln[x] = 0; mark[x] = 0
#else
#define ZERO(x)		atomic { ln[x] = 0; mark[x] = 0 }
#endif
#define COMMIT(x, n)	atomic { start[x] = true; good++; nopen--; ln[x] = n }

proctype pub()
{
	byte tail = 0, lim = L0, at[2], sz[2], k, i, m;
	bool open[2];

	{ do
	:: (!open[0] || !open[1]) && (tail + 3 <= lim || lim == L0) ->	/* claim */
		if :: !open[0] -> k = 0 :: else -> k = 1 fi;
		if :: m = 1 :: m = 2 fi;
		if
		:: tail + m + 2 <= lim -> skip
		:: tail + m + 2 > lim && lim == L0 ->
			ZERO(L0);				/* @roll_zero */
			atomic { start[tail] = true; ln[tail] = ROLL };	/* @roll_link */
			tail = L0; lim = CELLS
		:: else -> m = 1
		fi;
		if :: tail + m + 2 > lim -> m = 1 :: else -> skip fi;
#ifdef FRAMES_MARKFIRST
		atomic { mark[tail] = m + 1; extent[tail] = m + 1; nopen++ };
#endif
#if !defined(FRAMES_NOZERO) && !defined(FRAMES_ZEROATCOMMIT)
#ifdef FRAMES_NOMARKZERO
		ln[tail + m + 1] = 0;
#else
		ZERO(tail + m + 1);				/* @claim_zero */
#endif
#endif
#if !defined(FRAMES_MARKFIRST) && !defined(FRAMES_MARKLATE)
		atomic {
#ifndef FRAMES_NOMARK
			mark[tail] = m + 1;			/* @claim_mark */
#endif
			extent[tail] = m + 1; nopen++
		}
#endif
		at[k] = tail; sz[k] = m; open[k] = true; tail = tail + m + 1;
		i = 1;
		do
		:: i <= m -> atomic { ln[at[k] + i] = 5; mark[at[k] + i] = 5 }; i++
		:: else -> break
		od;
#ifdef FRAMES_MARKLATE
		atomic { mark[at[k]] = m + 1; extent[at[k]] = m + 1; nopen++ };
#endif
		i = 0; m = 0; k = 0
	:: open[0] || open[1] ->				/* commit whole */
		if :: open[0] -> k = 0 :: open[1] -> k = 1 fi;
#ifdef FRAMES_ZEROATCOMMIT
		ZERO(at[k] + sz[k] + 1);
#endif
		COMMIT(at[k], sz[k] + 1);			/* @commit_len */
		goto ended
	:: (open[0] && sz[0] == 2) || (open[1] && sz[1] == 2) ->	/* commit shorter */
		if :: open[0] && sz[0] == 2 -> k = 0 :: open[1] && sz[1] == 2 -> k = 1 fi;
#ifdef FRAMES_SHRINK
		if :: tail == at[k] + 3 -> tail = at[k] + 2 :: else -> skip fi;
#else
#ifdef FRAMES_SHRINKZERO
		ZERO(at[k] + 2);
		if :: tail == at[k] + 3 -> tail = at[k] + 2 :: else -> skip fi;
#else
		if
		:: tail == at[k] + 3 ->
#ifdef FRAMES_SHRINKMARK
			ln[at[k] + 2] = 0;
#else
			ZERO(at[k] + 2);			/* @shrink_zero */
#endif
			tail = at[k] + 2
		:: else ->
			atomic {
				start[at[k] + 2] = true;
				ln[at[k] + 2] = PAD + 1	/* @shrink_fill */
			}
		fi;
#endif
#endif
		COMMIT(at[k], 2);
		goto ended
	:: open[0] || open[1] ->				/* abort */
		if :: open[0] -> k = 0 :: open[1] -> k = 1 fi;
		if
#ifdef FRAMES_REWIND
		:: true ->
#else
		:: tail == at[k] + sz[k] + 1 ->
#endif
			atomic {
#ifdef FRAMES_NOABORTZERO
				skip;
#else
				ln[at[k]] = 0; mark[at[k]] = 0;	/* @abort_zero */
#endif
				extent[at[k]] = 0; nopen--
			}
			tail = at[k]
		:: tail != at[k] + sz[k] + 1 ->
			atomic {
				start[at[k]] = true; nopen--;
				ln[at[k]] = PAD + sz[k] + 1	/* @abort_fill */
			}
		fi;
ended:		open[k] = false; at[k] = 0; sz[k] = 0; k = 0
	:: !open[0] && !open[1] -> break
	od;
	closed = true						/* @end_close */
	} UNLESS_KILLED
}

#ifdef KILL
proctype killer()
{
	if :: dead = true :: skip fi
}
#endif

proctype reader()
{
	byte p = 0, v, x;

	do
	::	v = ln[p];						/* @read_len */
again:		if
		:: v != 0 ->
			assert(start[p]);
			if
			:: v & ROLL -> p = L0
			:: v & PAD -> p = p + (v & 15)
			:: else -> got++; p = p + (v & 15)
			fi;
			v = 0;
			assert(p < CELLS)
		:: v == 0 && (closed || dead) ->		/* @end_look @end_dead */
#ifndef FRAMES_ENDFIRST
			v = ln[p];		/* what came between the two looks */
			if :: v != 0 -> goto again :: else -> skip fi;
#endif
			x = mark[p];
			if
			:: x != 0 ->
				assert(dead && extent[p] == x);
				over++;
				p = p + x; x = 0;
				assert(p < CELLS)
			:: else ->
				assert(got == good && over == nopen);
				break
			fi
		:: v == 0 && !closed && !dead ->
			(ln[p] != 0 || closed || dead)
		fi
	od
}

init {
	atomic {
		byte j;

		j = 1;
		do
		:: j < CELLS -> ln[j] = 3; mark[j] = 3; j++
		:: else -> break
		od;
		j = 0;
		run pub(); run reader();
#ifdef KILL
		run killer()
#endif
	}
}
