/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Sleep and wake: sleep flags (epochs, odd = asleep or about to), bells whose token
 * the wait itself consumes (edge-triggered, nobody ever reads a bell), publishers
 * that ring one sleeper and leave any of the rest to their steward, and a fence that a
 * publisher either pays after each commit or leaves to the sleepers.
 *
 * Promise: no lost wake-up. Sleepers never time out in this model, so a lost one is
 * an invalid end state; each sleeper must see all that was committed.
 *
 * TSO: a buffer of one entry per sleeper and of PB entries per publisher. A light
 * fence is nothing; a heavy one waits until each publisher's buffer was empty once.
 *
 * NP, NS, MSGS, PB   publishers (a process with a steward each), sleepers, messages
 * MODES              publishers switch who pays the fence, at any time
 * KILL               sleeper 0 may die asleep
 * ONEPROC            the publishers are threads of one process and share its books
 * JOIN               the last sleeper is admitted late: first listed, then it begins
 * PKILL              publishers may die at any step: the kernel closes the connection
 */
#ifndef NP
#define NP 1
#endif
#ifndef NS
#define NS 2
#endif
#ifndef MSGS
#define MSGS 2
#endif
#ifndef PB
#define PB 2
#endif

/* Written by publisher p: how much is committed, and whether it fences (1). */
byte tail[NP], fences[NP];
chan pb0 = [PB] of { byte, byte };
#if NP > 1
chan pb1 = [PB] of { byte, byte };
#endif
#define B_TAIL 0
#define B_FENCES 1

/* Written by sleeper i: its flag, and its buffer (value + 1, 0 = empty). */
byte flag[NS], fb[NS];

/* Kernel: tokens. */
bool bell[NS];
bool wbell[NP];
bool eof[NP];			/* publisher p is dead and the connection says so */

/* Private to publishing process p: the last sleep epoch that was rung, per sleeper. */
typedef books { byte rung[NS] };
books bk[NP];
bool listed[NS];		/* the sleepers whose flag it looks at */
#ifdef ONEPROC
#define BK(p)	bk[0]
#else
#define BK(p)	bk[p]
#endif

/* Ghosts. */
bool dead[NP];
byte made[NP];
#ifdef PKILL
#define UNLESS_KILLED	unless { dead[p] }	/* looked at before every step */
#else
#define UNLESS_KILLED
#endif

inline put(k, v)
{
	if
	:: p == 0 -> pb0!k,v
#if NP > 1
	:: p == 1 -> pb1!k,v
#endif
	fi
}

inline drained(x)
{
	if
	:: x == 0 -> empty(pb0)
#if NP > 1
	:: x == 1 -> empty(pb1)
#endif
	fi
}

proctype drain()
{
	byte k, v;

end:	do
	:: atomic {
		pb0?k,v ->
		if :: k == B_TAIL -> tail[0] = v :: else -> fences[0] = v fi;
		k = 0; v = 0
	}
#if NP > 1
	:: atomic {
		pb1?k,v ->
		if :: k == B_TAIL -> tail[1] = v :: else -> fences[1] = v fi;
		k = 0; v = 0
	}
#endif
	:: atomic { fb[0] != 0 -> flag[0] = fb[0] - 1; fb[0] = 0 }
#if NS > 1
	:: atomic { fb[1] != 0 -> flag[1] = fb[1] - 1; fb[1] = 0 }
#endif
#if NS > 2
	:: atomic { fb[2] != 0 -> flag[2] = fb[2] - 1; fb[2] = 0 }
#endif
	od
}

#ifdef WAKE_BOOLRUNG
#define DUE(p, i, f)	(BK(p).rung[i] == 0)	/* cleared only when seen awake */
#define RUNG(p, i, f)	BK(p).rung[i] = 1
#else
#define DUE(p, i, f)	(BK(p).rung[i] != f)
#define RUNG(p, i, f)	BK(p).rung[i] = f
#endif

proctype pub(byte p)
{
	byte i, f;
	bool one, more, pays = true;
#ifdef WAKE_LISTFIRST
	bool known;
#endif

#ifdef MODES
	if :: skip :: pays = false; fences[p] = 0 fi;
#endif
	{ do
	:: made[p] < MSGS ->
#ifdef WAKE_MODEEARLY
		if :: !pays -> put(B_FENCES, 1) :: else -> skip fi;
#endif
		atomic { put(B_TAIL, made[p] + 1); made[p]++ }	/* @commit_len */
#ifdef WAKE_LISTFIRST
		known = listed[NS - 1];
#endif
#ifndef WAKE_NOPFENCE
		if
		:: pays -> drained(p)				/* @wake_fence */
		:: !pays -> skip				/* @wake_light */
		fi;
#endif
#ifdef WAKE_MODEEARLY
		pays = true;
#endif
		i = 0; one = false; more = false;
		do
		:: i < NS ->
#ifdef WAKE_LISTFIRST
			if :: i < NS - 1 || known -> f = flag[i] :: else -> f = 0 fi;
#else
			if
			:: listed[i] -> f = flag[i]		/* @wake_list @wake_look */
			:: else -> f = 0
			fi;
#endif
			if
			:: (f & 1) ->
				if
				:: DUE(p, i, f) && !one ->	/* @wake_rung */
					RUNG(p, i, f);
					bell[i] = true;		/* @wake_ring */
					one = true
				:: DUE(p, i, f) && one -> more = true
				:: DUE(p, i, f) && one ->	/* few: one after the other */
					RUNG(p, i, f);
					bell[i] = true
				:: else -> skip
				fi
			:: else ->
#ifdef WAKE_BOOLRUNG
				BK(p).rung[i] = 0
#else
				skip
#endif
			fi;
			i++
		:: else -> break
		od;
#ifndef WAKE_TREE
		if
		:: more -> wbell[p] = true			/* @wake_relay */
		:: else -> skip
		fi;
#endif
		i = 0; f = 0; one = false; more = false
#ifdef MODES
	:: pays && made[p] < MSGS ->
#ifndef WAKE_MODEUNSAID
		put(B_FENCES, 0);				/* @mode_light */
#endif
#ifndef WAKE_MODENOFENCE
		drained(p);					/* @mode_full */
#endif
		pays = false
	:: !pays && made[p] < MSGS ->
		put(B_FENCES, 1);				/* @mode_fence */
		pays = true
#endif
	:: made[p] == MSGS -> break
	od } UNLESS_KILLED
}

#if NS > 1
proctype steward(byte p)
{
	byte i, f;

	{ skip;
#ifdef WAKE_LATEDRAIN
end:	do
	:: wbell[p] ->
#else
end:	do
	:: atomic { wbell[p] -> wbell[p] = false };
		/* It stores nothing that is looked at: no buffer. */
		skip;						/* @relay_fence */
#endif
		i = 0;
		do
		:: i < NS ->
			if
			:: listed[i] -> f = flag[i]		/* @relay_look */
			:: else -> f = 0
			fi;
			if
			:: (f & 1) ->
				if
				:: DUE(p, i, f) -> RUNG(p, i, f); bell[i] = true
				:: else -> skip
				fi
			:: else -> skip
			fi;
			i++
		:: else -> break
		od;
		i = 0; f = 0
#ifdef WAKE_LATEDRAIN
		; wbell[p] = false
#endif
	od
	} UNLESS_KILLED
}
#endif

#ifdef PKILL
proctype killer(byte p)
{
	if
	:: dead[p] = true;
		drained(p);
		atomic {
			eof[p] = true;
#ifndef WAKE_NOEOF
			bell[0] = true;
#if NS > 1
			bell[1] = true
#endif
#endif
		}
	:: skip
	fi
}
#endif

#if NP > 1
#define FRESH	(tail[0] > seen[0] || tail[1] > seen[1] || \
		(eof[0] && !gone[0]) || (eof[1] && !gone[1]))
#define TAKE	seen[0] = tail[0]; seen[1] = tail[1]; gone[0] = eof[0]; gone[1] = eof[1]
#define OVER	((seen[0] == MSGS || gone[0]) && (seen[1] == MSGS || gone[1]))
#else
#define FRESH	(tail[0] > seen[0] || (eof[0] && !gone[0]))
#define TAKE	seen[0] = tail[0]; gone[0] = eof[0]
#define OVER	(seen[0] == MSGS || gone[0])
#endif

#ifdef JOIN
proctype admission()
{
	listed[NS - 1] = true			/* @admit_row */
}
#endif

proctype sleeper(byte n)
{
	byte seen[NP], e, x;
	bool gone[NP], heavy;

	listed[n];
	do
	:: OVER -> break
	:: else ->
		if
		:: FRESH -> atomic { TAKE }
		:: else ->
#ifdef WAKE_CHECKFIRST
			if :: FRESH -> atomic { TAKE }; goto next :: else -> skip fi;
#endif
#ifdef WAKE_MODEFIRST
			x = 0;
			do
			:: x < NP -> heavy = heavy || !fences[x]; x++
			:: else -> break
			od;
#endif
			e = e + 1;
			atomic { fb[n] == 0 -> fb[n] = e + 1 };		/* @sleep_raise */
#ifndef WAKE_NORFENCE
			(fb[n] == 0);					/* @sleep_fence */
#endif
#ifndef WAKE_MODEFIRST
			x = 0;
			do
			:: x < NP ->
				heavy = heavy || !fences[x];		/* @sleep_fences */
				x++
			:: else -> break
			od;
#endif
			if
			:: heavy ->
				x = 0;
				do
				:: x < NP -> drained(x); x++		/* @sleep_heavy */
				:: else -> break
				od
			:: else -> skip
			fi;
			x = 0; heavy = false;
#ifdef WAKE_DRAINBEFORE
			bell[n] = false;
#endif
#ifndef WAKE_CHECKFIRST
			if
			:: FRESH -> skip				/* @sleep_look */
			:: else ->
#endif
				if
				:: atomic { bell[n] -> bell[n] = false }
#ifdef KILL
				:: n == 0 -> goto killed
#endif
				fi;
#ifdef WAKE_TREE
				/* Who was woken wakes the next one. */
				if
				:: n + 1 < NS && (flag[n + 1] & 1) -> bell[n + 1] = true
				:: else -> skip
				fi;
#endif
#ifndef WAKE_CHECKFIRST
			fi;
#endif
			e = e + 1;
			atomic { fb[n] == 0 -> fb[n] = e + 1 }		/* @sleep_lower */
		fi;
next:		skip
	od;
	assert(seen[0] == made[0]);
#if NP > 1
	assert(seen[1] == made[1]);
#endif
killed:	skip
}

init {
	atomic {
		fences[0] = 1;
#if NP > 1
		fences[1] = 1;
#endif
		listed[0] = true;
#if NS > 1
		listed[1] = true;
#endif
#if NS > 2
		listed[2] = true;
#endif
#ifdef JOIN
		listed[NS - 1] = false;
		run admission();
#endif
		run drain(); run pub(0);
#if NS > 1
		run steward(0);
#endif
#if NP > 1
		run pub(1);
#if NS > 1
		run steward(1);
#endif
#endif
#ifdef PKILL
		run killer(0);
#endif
		run sleeper(0);
#if NS > 1
		run sleeper(1);
#endif
#if NS > 2
		run sleeper(2)
#endif
	}
}
