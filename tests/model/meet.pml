/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Meeting: two nodes, each advertises and subscribes to the other's topic, all at once;
 * one may die anywhere. Presence is one atomic act: the socket is bound and listening
 * under a temporary name, then renamed into the directory. The order is: own table,
 * presence, scan. Only the subscriber's side asks for attachment (ATTACH, answered when
 * the rows stand); a publisher announces (ANNOUNCE, answered when an attachment that
 * was asked for because of it is answered).
 *
 * Each side opens a connection of its own here, so the order holds within what one side
 * asks and the answers to it, not between the two: more than the code needs, which keeps
 * one connection (parley.pml).
 *
 * Promises: once a subscription and an advertisement have both returned and both nodes
 * live, the row stands, exactly once, whoever was first; nobody waits for ever; with
 * PENDING, who gave up waiting is admitted in the end.
 *
 * LATE      node 0 advertises a second stream of the topic later
 * DEATH     node 1 may die at any step
 * PENDING   a caller may give up waiting (its attach deadline)
 */
#ifdef LATE
#define STREAMS 2
#else
#define STREAMS 1
#endif
#define ATTACH 1
#define ANNOUNCE 2
#define SCAN 9			/* tag of an ATTACH that answers no announcement */
#define ROW(n, k)	rows[(n) * STREAMS + (k)]

/* The directory. */
bool here[2], listening[2];

/* Kernel: per node, what the other one asks it, and the answers to what it asked. */
bool dead[2];
chan ask0 = [6] of { byte, byte };
chan ask1 = [6] of { byte, byte };
chan ans0 = [6] of { byte, byte };
chan ans1 = [6] of { byte, byte };

/* Private to each node: its table, its books, what its callers wait for. */
byte nst[2];			/* streams that it has */
bool sub[2];
byte rows[2 * STREAMS];		/* rows for the other's subscription, by stream */
bool announced[2 * STREAMS], attached[2];

/* Ghosts: the calls that have returned, not as pending. */
bool advret[2 * STREAMS], subret[2];
bool finished[2];

inline ask(n, m, tag)
{
	if
	:: dead[1 - n] -> skip
	:: !dead[1 - n] && n == 0 -> ask1!m,tag
	:: !dead[1 - n] && n == 1 -> ask0!m,tag
	fi
}

inline answer(n, m, tag)
{
	if
	:: dead[1 - n] -> skip
	:: !dead[1 - n] && n == 0 -> ans1!m,tag
	:: !dead[1 - n] && n == 1 -> ans0!m,tag
	fi
}

inline asked(n)
{
	if
	:: m == ATTACH ->
		k = 0;
		do
		:: k < nst[n] ->
#ifdef MEET_DUP
			ROW(n, k)++;
#else
			ROW(n, k) = 1;
#endif
			k++
		:: else -> break
		od;
		answer(n, ATTACH, tag)
	:: m == ANNOUNCE ->
		if
		:: sub[n] -> ask(n, ATTACH, tag)	/* its answer acknowledges */
		:: else -> answer(n, ANNOUNCE, tag)
		fi
	fi;
	m = 0; tag = 0; k = 0
}

inline answered(n)
{
	if
	:: m == ATTACH && tag == SCAN -> attached[n] = true
	:: m == ATTACH && tag != SCAN -> answer(n, ANNOUNCE, tag)	/* @announce_ack */
	:: m == ANNOUNCE -> announced[n * STREAMS + tag] = true
	fi;
#ifdef MEET_ACKANY
	/* Takes the answer to any ATTACH for that to the one it owes. */
	if
	:: m == ATTACH && owes[n] -> owes[n] = false; answer(n, ANNOUNCE, owed[n])
	:: else -> skip
	fi;
#endif
	m = 0; tag = 0
}

#ifdef MEET_ACKANY
bool owes[2];
byte owed[2];
#endif

proctype steward(byte n)
{
	byte m, tag, k;

#ifdef MEET_SYNC
end:	false		/* no thread of its own, and a caller that waits does not turn it */
#else
end:	do
	:: atomic { n == 0 && nempty(ask0) -> ask0?m,tag };
#ifdef MEET_ACKANY
		if :: m == ANNOUNCE && sub[n] -> owes[n] = true; owed[n] = tag :: else -> skip fi;
#endif
		asked(0)
	:: atomic { n == 0 && nempty(ans0) -> ans0?m,tag }; answered(0)
	:: atomic { n == 1 && nempty(ask1) -> ask1?m,tag };
#ifdef MEET_ACKANY
		if :: m == ANNOUNCE && sub[n] -> owes[n] = true; owed[n] = tag :: else -> skip fi;
#endif
		if :: dead[1] -> m = 0; tag = 0 :: else -> asked(1) fi
	:: atomic { n == 1 && nempty(ans1) -> ans1?m,tag };
		if :: dead[1] -> m = 0; tag = 0 :: else -> answered(1) fi
	od
#endif
}

/* What has returned is true, at once. */
inline check()
{
	assert(!(advret[0] && subret[1]) || dead[1] || ROW(0, 0) == 1);
	assert(!(advret[STREAMS] && subret[0]) || dead[1] || ROW(1, 0) == 1);
#ifdef LATE
	assert(!(advret[1] && subret[1]) || dead[1] || ROW(0, 1) == 1)
#endif
}

proctype app(byte n)
{
	bool sees, gaveup;

	{ skip;
#ifdef MEET_SCANFIRST
	sees = here[1 - n];
	nst[n] = 1; sub[n] = true;
	listening[n] = true; here[n] = true;
#else
#ifdef MEET_TABLELATE
	atomic { listening[n] = true; here[n] = true };
#else
	nst[n] = 1; sub[n] = true;
#ifdef MEET_BINDFIRST
	here[n] = true;
	listening[n] = true;
#else
	atomic { listening[n] = true; here[n] = true };		/* @arrive_present */
#endif
#endif
	sees = here[1 - n];					/* @arrive_scan */
	/* Refused: taken for a stale socket. */
	if :: sees && !listening[1 - n] -> sees = false :: else -> skip fi;
#endif
	if
	:: sees ->
		ask(n, ANNOUNCE, 0);				/* @announce_send */
		ask(n, ATTACH, SCAN);				/* @attach_send */
		if
		:: announced[n * STREAMS] || dead[1 - n]
#ifdef PENDING
		:: gaveup = true
#endif
		fi;
		if
		:: attached[n] || dead[1 - n]
#ifdef PENDING
		:: gaveup = true
#endif
		fi
	:: else -> skip
	fi;
#ifdef MEET_TABLELATE
	nst[n] = 1; sub[n] = true;
#endif
	atomic {
		if
		:: !gaveup && !dead[n] -> advret[n * STREAMS] = true; subret[n] = true
		:: else -> skip
		fi;
		check()
	}
#ifdef LATE
	if
	:: n == 0 ->
		gaveup = false;
		nst[0] = 2;
		if
		:: here[1] && listening[1] ->
			ask(0, ANNOUNCE, 1);
			if
			:: announced[1] || dead[1]
#ifdef PENDING
			:: gaveup = true
#endif
			fi
		:: else -> skip
		fi;
		atomic {
			if :: !gaveup -> advret[1] = true :: else -> skip fi;
			check()
		}
	:: else -> skip
	fi;
#endif
	finished[n] = true
	} unless { dead[n] }
}

#ifdef DEATH
proctype killer()
{
	if :: dead[1] = true :: skip fi
}
#endif

init {
	atomic {
		run steward(0); run steward(1); run app(0); run app(1);
#ifdef DEATH
		run killer()
#endif
	}
	/* All is quiet: everybody has returned, and even who gave up has been admitted. */
	timeout ->
	assert(finished[0] && (finished[1] || dead[1]));
	assert(dead[1] || (ROW(0, 0) == 1 && ROW(1, 0) == 1));
#ifdef LATE
	assert(dead[1] || ROW(0, 1) == 1)
#endif
}
