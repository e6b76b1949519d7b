/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A stream of a queue within one process: a producer, a consumer that is there from the
 * beginning, and one that joins and leaves at any time, each with a cursor. The producer
 * looks at the cursors that count only when what it knew of them is used up.
 *
 * Promise: what a consumer reads is the item of its position, from the first look at it to
 * the last, though places are used again; who joins misses nothing that is put after its
 * call has returned; nobody is stuck.
 *
 * TSO: a buffer of PB entries for the producer and one of two for who joins. Who joins
 * waits until the producer's buffer was empty once (the heavy fence), or the producer
 * empties it before it looks who counts (FENCED). A cursor's store needs no buffer: it
 * stands behind the reads that it tells of, and to come late is to gate for longer.
 *
 * CAP, MAXN, PB   room, items in all
 * JOINS           how often the second consumer joins
 * FENCED          nobody runs a heavy fence for the producer
 * GROW            segments of two items, begun as they are needed and used again; a table
 *                 of four finds them. Without it the places are a power of two above CAP
 */
#ifndef CAP
#define CAP 2
#endif
#ifndef MAXN
#define MAXN 6
#endif
#ifndef PB
#define PB 3
#endif
#ifndef JOINS
#define JOINS 0
#endif

#define PLACES 8	/* all there are; bounded uses the first ROUND of them */
#if CAP > 2
#define ROUND 4
#elif CAP > 1
#define ROUND 2
#else
#define ROUND 1
#endif

/* Written by the producer, through its buffer: who looks sees what was drained. */
byte mem[PLACES], head;
#ifdef GROW
byte table[4];
#define PLACE(n)	(table[((n) >> 1) & 3] * 2 + ((n) & 1))
#else
#define PLACE(n)	((n) % ROUND)
#endif
chan pb = [PB] of { byte, byte };	/* a word and its value */
#define W_HEAD	20
#define W_TABLE	10			/* + entry */

/* Written by the consumers. */
byte pos[2], members = 1;
chan jb = [2] of { byte, byte };
#define J_POS	0
#define J_BIT	1

active proctype drain()
{
	byte w, v;

end:	do
	:: atomic {
		pb?w,v ->
		if
		:: w == W_HEAD -> head = v
#ifdef GROW
		:: w >= W_TABLE && w < W_HEAD -> table[w - W_TABLE] = v
#endif
		:: w < PLACES -> mem[w] = v
		fi;
		w = 0; v = 0
	}
	:: atomic {
		jb?w,v ->
		if :: w == J_POS -> pos[1] = v :: else -> members = members | 2 fi;
		w = 0; v = 0
	}
	od
}

#define LEAST	((members & 2) && pos[1] < pos[0] -> pos[1] : pos[0])

active proctype producer()
{
	byte at, gate, who, least, place;
#ifdef GROW
	byte begun, oldest, spares, fresh, seg;
	byte spare[4], mine[4];		/* mine: the table as the producer knows it */
#endif

	do
	:: at < MAXN ->
#ifdef FIFO_OFFBYONE
		if
		:: at - gate > CAP ->
#else
		if
		:: at - gate >= CAP ->
#endif
look:
#ifdef FENCED
#ifndef FIFO_NOPFENCE
			empty(pb);				/* @fifo_fence */
#endif
#endif
			/* What is not fenced is no step. */	/* @fifo_light */
			who = members;				/* @fifo_members */
			least = at;
			d_step { if :: pos[0] < least -> least = pos[0] :: else -> skip fi };
			/* @fifo_gate */
			if
			:: who & 2 ->
				d_step {
					if
					:: pos[1] < least -> least = pos[1]
					:: else -> skip
					fi
				}
			:: else -> skip
			fi;
			d_step { gate = least; who = 0; least = 0 };
#ifdef FIFO_OFFBYONE
			if
			:: at - gate > CAP -> at - LEAST <= CAP; goto look
#else
			if
			:: at - gate >= CAP -> at - LEAST < CAP; goto look
#endif
			:: else -> skip
			fi
		:: else -> skip
		fi;
#ifdef GROW
		if
		:: (at >> 1) == begun ->
			d_step {
				if
				:: spares == 0 ->
					do
#ifdef FIFO_REUSEEARLY
					:: oldest < begun && oldest * 2 + 1 <= gate ->
#else
					:: (oldest + 1) * 2 <= gate ->
#endif
						spare[spares] = mine[oldest & 3];
						spares++;
						oldest++
					:: else -> break
					od
				:: else -> skip
				fi;
				if
				:: spares > 0 ->
					spares--;
					seg = spare[spares];
					spare[spares] = 0
				:: else ->
					assert(fresh < 4);
					seg = fresh;
					fresh++
				fi;
				mine[begun & 3] = seg;
			}
#ifndef FIFO_TABLELATE
			pb!(W_TABLE + (begun & 3)),seg;
#endif
			begun++
		:: else -> skip
		fi;
		place = mine[(at >> 1) & 3] * 2 + (at & 1);
#else
		place = at % ROUND;
#endif
#ifdef FIFO_HEADFIRST
		pb!W_HEAD,at + 1;
		pb!place,at + 1;
#else
		pb!place,at + 1;
		pb!W_HEAD,at + 1;					/* @fifo_head */
#endif
#ifdef FIFO_TABLELATE
		pb!(W_TABLE + ((begun - 1) & 3)),mine[(begun - 1) & 3];
#endif
		at++
	:: else -> break
	od
}

/* Two looks at an item: in between anything may happen that nothing forbids. */
inline read(c)
{
	assert(mem[PLACE(mypos)] == mypos + 1);
#ifdef FIFO_PASSFIRST
	pos[c] = mypos + 1;
#endif
	assert(mem[PLACE(mypos)] == mypos + 1);
	mypos++;
	pos[c] = mypos							/* @fifo_pass */
}

active proctype consumer()
{
	byte mypos, h;

	do
	:: mypos == MAXN -> break
	:: mypos < h -> read(0)
	:: mypos == h && mypos < MAXN ->
		head > mypos;
		h = head						/* @fifo_look */
	od
}

#if JOINS > 0
active proctype late()
{
	byte mypos, h, joined;

	do
	:: joined < JOINS ->
		joined++;
		mypos = head;
		jb!J_POS,mypos;
		jb!J_BIT,0;
#ifndef FIFO_NOJOINFENCE
		empty(jb);						/* @join_fence */
#ifndef FENCED
		empty(pb);
#endif
#endif
#ifndef FIFO_JOINONCE
		mypos = head;
		jb!J_POS,mypos;
#endif
		h = mypos;
		/* Its own words it sees; to the others they come when they come. */
		empty(jb);
		do
		:: mypos < h -> read(1)
		:: mypos == h && mypos < MAXN && head > mypos -> h = head
		:: mypos == h && mypos == MAXN -> break
		:: break						/* leaves, whenever */
		od;
		members = members & 1;
		mypos = 0; h = 0
	:: else -> break
	od
}
#endif
