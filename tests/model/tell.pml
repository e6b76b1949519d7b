/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * An end of a queue that is a task of a reactor: how it learns that there is something for
 * it. Producers put and look whether somebody has a task and wants it sent; the consumer's
 * end comes, goes idle, is sent, and leaves, while they do.
 *
 * Promise: no lost wake-up, neither of an item nor of the end; what was put before the end is
 * seen before the end; nobody sends the task of an end that has left.
 *
 * TSO: a buffer of two entries per producer and one for the consumer. A light fence is
 * nothing; a heavy one waits until each producer's buffer was empty once.
 *
 * NP, MSGS   producers, items of each
 * FENCED     nobody runs a heavy fence for the producers
 * LEAVE      the consumer may leave when it was polled, whatever there still is
 * ACK        a producer closes when all that it put was seen: then no end wakes for an item
 */
#ifndef NP
#define NP 1
#endif
#ifndef MSGS
#define MSGS 2
#endif

byte head[NP];			/* written by producer p, through its buffer */
bool sending[NP];		/* the same */
chan pb0 = [2] of { byte, byte };
#if NP > 1
chan pb1 = [2] of { byte, byte };
#endif
#define B_HEAD 0
#define B_SENDING 1

bool told, wanted;		/* written by the consumer */
byte wb;			/* its buffer for wanted: value + 1, 0 = empty */
bool ended, lock;
byte open = NP;			/* producers, under the lock */

bool sent, inbox;		/* the reactor's: marked as sent, and in its inbox */
#ifdef ACK
byte got[NP];			/* ghost: what was seen */
#endif
bool freed;			/* ghost: the task's memory is another's */

inline store(k, v)
{
	if
	:: p == 0 -> pb0!k,v
#if NP > 1
	:: p == 1 -> pb1!k,v
#endif
	fi
}

inline drained()
{
	if
	:: p == 0 -> empty(pb0)
#if NP > 1
	:: p == 1 -> empty(pb1)
#endif
	fi
}

active proctype drain()
{
	byte k, v;

end:	do
	:: atomic {
		pb0?k,v ->
		if :: k == B_HEAD -> head[0] = v :: else -> sending[0] = v fi;
		k = 0; v = 0
	}
#if NP > 1
	:: atomic {
		pb1?k,v ->
		if :: k == B_HEAD -> head[1] = v :: else -> sending[1] = v fi;
		k = 0; v = 0
	}
#endif
	:: atomic { wb != 0 -> wanted = wb - 1; wb = 0 }
	od
}

/* The reactor's side of it is that of wake.pml. */
inline send()
{
	assert(!freed);
	if
	:: sent -> skip
	:: else ->
		d_step { was = sent; sent = true };
		assert(!freed);
		if :: !was -> inbox = true :: else -> skip fi
	fi
}

proctype producer(byte p)
{
	byte n;
	bool was;

	do
	:: n < MSGS ->
		n++;
		store(B_HEAD, n);
#ifdef FENCED
#ifndef TELL_NOPFENCE
		drained();						/* @queue_fence */
#endif
#endif
		/* What is not fenced is no step. */			/* @queue_light */
		if
		:: told ->						/* @queue_told */
			store(B_SENDING, 1);				/* @queue_sending */
#ifndef TELL_NOSENDFENCE
			drained();					/* @send_to_fence */
#endif
#ifdef TELL_TOLDONCE
			if
			:: wanted -> send()
			:: else -> skip
			fi;
#else
			if
			:: told ->
				if
				:: wanted -> send()			/* @queue_wanted */
				:: else -> skip
				fi
			:: else -> skip
			fi;
#endif
			store(B_SENDING, 0)
		:: else -> skip
		fi
	:: else -> break
	od;
#ifdef ACK
	got[p] == MSGS;
#endif
	/* It closes its end. The lock is a full fence, but that is not relied on. */
	atomic { !lock -> lock = true };
	drained();
	open--;
	if
	:: open == 0 -> ended = true					/* @queue_ended */
	:: else -> skip
	fi;
	/* @all_fence */
	if
	:: told ->
		if
		:: wanted -> send()
		:: else -> skip
		fi
	:: else -> skip
	fi;
	lock = false
}

#if NP > 1
#define ANY	(head[0] > seen[0] || head[1] > seen[1])
#else
#define ANY	(head[0] > seen[0])
#endif

/* Takes what is there; found: whether that was anything, or the end. */
inline look()
{
	found = false;
	d_step {
		if :: head[0] > seen[0] -> seen[0] = head[0]; found = true :: else -> skip fi
	};
#if NP > 1
	d_step {
		if :: head[1] > seen[1] -> seen[1] = head[1]; found = true :: else -> skip fi
	};
#endif
	if
	:: !found && ended ->
#ifndef TELL_ENDFIRST
		d_step {
			if
			:: ANY ->
				seen[0] = head[0];
#if NP > 1
				seen[1] = head[1];
#endif
			:: else -> skip
			fi
		};
#endif
		over = true;
		found = true
	:: else -> skip
	fi
}

proctype consumer()
{
	byte seen[NP];
	bool found, over;

	told = true;
#ifndef TELL_NOENLISTFENCE
#ifndef FENCED
	empty(pb0);							/* @enlist_heavy */
#if NP > 1
	empty(pb1);
#endif
#endif
#endif
	/* It is polled once in any case. */
	do
	:: over -> break
	:: !over ->
		if :: wanted -> wb == 0; wb = 1 :: else -> skip fi;
#ifdef TELL_WANTLATE
		look();
		if
		:: !found -> wb == 0; wb = 2; wb == 0
		:: else -> skip
		fi;
#else
		look();
		if
		:: !found ->
			wb == 0;
			wb = 2;
#ifndef TELL_NOWANTFENCE
			wb == 0;					/* @want_fence */
#endif
			look()
		:: else -> skip
		fi;
#endif
#ifdef ACK
		d_step {
			got[0] = seen[0];
#if NP > 1
			got[1] = seen[1]
#endif
		};
#endif
		if
		:: !found ->
			inbox;
			inbox = false;
			sent = false
		:: else -> skip
		fi
#ifdef LEAVE
	:: break
#endif
	od;
	if
	:: over ->
		assert(seen[0] == MSGS);
#if NP > 1
		assert(seen[1] == MSGS)
#endif
	:: else -> skip
	fi;
	/* It takes its task away. */
	atomic { !lock -> lock = true };
#ifdef TELL_NORETIREFENCE
	/* The bit waits in the buffer behind the look; so the look comes first. */
	!sending[0];
#if NP > 1
	!sending[1];
#endif
	told = false;
#else
	told = false;							/* @retire_fence */
#ifndef TELL_NOWAIT
	!sending[0];
#if NP > 1
	!sending[1];
#endif
#endif
#endif
	lock = false;
	/* And what is in the inbox, out of it. */
	d_step { inbox = false; sent = false };
	freed = true
}

init {
	atomic {
		run producer(0);
#if NP > 1
		run producer(1);
#endif
		run consumer()
	}
}
