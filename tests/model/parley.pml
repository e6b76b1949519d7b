/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Two stewards find each other: both may connect at once, and keep the connection that
 * the node with the smaller number made, if it stands; then each says hello, announces
 * its streams and ends with a mark that these were all; whoever subscribes waits for that
 * mark and for its attachments, whoever advertises for the answers to its announcement.
 * Everything that a node does is done under its own lock, so it is one step.
 *
 * meet.pml has the order of table, presence and scan; this one has the connections.
 *
 * Promises: once an advertisement and a subscription have both returned and both nodes
 * live, the row stands, exactly once; nobody waits for ever; living nodes end up with
 * one connection, the same on both sides.
 *
 * DEATH   node 1 may die at any time
 */
#define NONE 2
#define FREE 0
#define CONNECTING 1
#define UP 2

#define HELLO 1
#define ANNOUNCE 2
#define SYNC 3
#define ATTACH 4
#define ATTACHED 5
#define ANNOUNCED 6

/* The directory. */
bool here[2];

/* Connection k, opened by node k: what goes to its opener and to the one it reached. */
chan toopener[2] = [6] of { byte };
chan toother[2] = [6] of { byte };
bool open[2], taken[2];		/* it stands; the other side has accepted it */
bool shut[4];			/* closed by the opener (2k), by the other (2k + 1) */
#define BYOPENER(k)	shut[2 * (k)]
#define BYOTHER(k)	shut[2 * (k) + 1]

/* Private to node n: the other node, and what is said with it. */
byte st[2], via[2] = NONE;
bool retry[2], guest[2];
bool synced[2], remote[2], owes[2], unanswered[2];
bool stream[2], sub[2], attaching[2], attached[2];
byte rows[2];
bool arrived[2], dead[2];

/* Ghosts. */
bool advret[2], subret[2], finished[2];

/* Node n closes its end of connection k. */
inline hang(me, con)
{
	if
	:: me == con ->
		BYOPENER(con) = true;
		do :: toopener[con]?_ :: empty(toopener[con]) -> break od
	:: else ->
		BYOTHER(con) = true;
		do :: toother[con]?_ :: empty(toother[con]) -> break od
	fi;
	if
	:: BYOPENER(con) && (BYOTHER(con) || !taken[con]) ->
		open[con] = false; taken[con] = false; BYOPENER(con) = false; BYOTHER(con) = false;
		do :: toother[con]?_ :: empty(toother[con]) -> break od;
		do :: toopener[con]?_ :: empty(toopener[con]) -> break od
	:: else -> skip
	fi
}

inline say(me, con, what)
{
	if
	:: me == con && !BYOTHER(con) -> toother[con]!what
	:: me != con && !BYOPENER(con) -> toopener[con]!what
	:: else -> skip
	fi
}

inline announce_all(n)
{
	if
	:: stream[n] -> owes[n] = true; say(n, via[n], ANNOUNCE)	/* @announce_send */
	:: else -> skip
	fi;
	say(n, via[n], SYNC)
}

/* Reaches for the other node. It closes an earlier attempt before it makes another. */
inline reach(n)
{
	retry[n] = false;
	if
	:: here[1 - n] && !dead[1 - n] && !open[n] ->
		st[n] = CONNECTING; open[n] = true;
		say(n, n, HELLO)
	:: here[1 - n] && !dead[1 - n] && open[n] -> st[n] = CONNECTING; retry[n] = true
	:: else -> st[n] = FREE
	fi
}

inline attach(n)
{
	if
	:: sub[n] && remote[n] && !attaching[n] && !attached[n] ->
		attaching[n] = true; say(n, via[n], ATTACH)	/* @attach_send */
	:: else -> skip
	fi
}

inline answer(n)
{
	if
	:: unanswered[n] && !attaching[n] ->
		unanswered[n] = false; say(n, via[n], ANNOUNCED)	/* @announce_ack */
	:: else -> skip
	fi
}

/* A hello from a guest. */
inline greeted(n)
{
	guest[n] = false;
	if
	:: st[n] == FREE ->
		st[n] = UP; via[n] = 1 - n;
		say(n, 1 - n, HELLO); announce_all(n)
#ifdef PARLEY_BOTHHANG
	:: st[n] == CONNECTING -> hang(n, 1 - n)
#else
#ifdef PARLEY_BOTHTAKE
	:: st[n] == CONNECTING ->
#else
	:: st[n] == CONNECTING && n == 0 && !retry[0] -> hang(n, 1 - n)
	:: st[n] == CONNECTING && (n == 1 || retry[0]) ->
#endif
		if :: open[n] && !retry[n] -> hang(n, n) :: else -> skip fi;
		retry[n] = false;
		st[n] = UP; via[n] = 1 - n;
		say(n, 1 - n, HELLO); announce_all(n)
#endif
	:: st[n] == UP -> hang(n, 1 - n)
	fi
}

inline told(n)
{
	if
	:: m == SYNC -> synced[n] = true
	:: m == ANNOUNCE -> remote[n] = true; unanswered[n] = true; attach(n); answer(n)
	:: m == ANNOUNCED -> owes[n] = false
	:: m == ATTACH -> rows[n]++; say(n, via[n], ATTACHED)	/* @admit_row */
	:: m == ATTACHED -> attaching[n] = false; attached[n] = true; answer(n)
	:: m == HELLO -> assert(false)
	fi
}

proctype steward(byte n)
{
	byte m;

	{ skip;
end1:	arrived[n];
end2:	do
	:: atomic { open[1 - n] && !taken[1 - n] && !BYOTHER(1 - n) ->
		taken[1 - n] = true; guest[n] = true }
	:: atomic { guest[n] && nempty(toother[1 - n]) ->
		toother[1 - n]?m; assert(m == HELLO); greeted(n); m = 0 }
	:: atomic { guest[n] && BYOPENER(1 - n) && empty(toother[1 - n]) ->
		guest[n] = false; hang(n, 1 - n) }
	:: atomic { st[n] == CONNECTING && !retry[n] && nempty(toopener[n]) ->
		toopener[n]?m; assert(m == HELLO);
		st[n] = UP; via[n] = n; announce_all(n); m = 0 }
	:: atomic { st[n] == CONNECTING && !retry[n] && empty(toopener[n]) &&
		(BYOTHER(n) || dead[1 - n]) ->
		hang(n, n); retry[n] = true }
	/* Later, when all that has come is heard. */
	:: atomic { st[n] == CONNECTING && retry[n] && (!open[n] || dead[1 - n]) &&
		empty(toother[1 - n]) && !(open[1 - n] && !taken[1 - n]) -> reach(n) }
	:: atomic { st[n] == UP && via[n] == n && nempty(toopener[n]) ->
		toopener[n]?m; told(n); m = 0 }
	:: atomic { st[n] == UP && via[n] != n && nempty(toother[1 - n]) ->
		toother[1 - n]?m; told(n); m = 0 }
	:: atomic { st[n] == UP && dead[1 - n] -> st[n] = FREE; via[n] = NONE }
	/* The living do not hang up on each other once both are up. */
	:: atomic { st[n] == UP && via[n] == n && BYOTHER(n) && empty(toopener[n]) &&
		!dead[1 - n] -> assert(false) }
	:: atomic { st[n] == UP && via[n] != n && BYOPENER(1 - n) &&
		empty(toother[1 - n]) && !dead[1 - n] -> assert(false) }
	od
	} unless { dead[n] }
}

inline check()
{
	assert(!(advret[0] && subret[1]) || dead[1] || rows[0] == 1);
	assert(!(advret[1] && subret[0]) || dead[1] || rows[1] == 1)
}

#define REACHING(n)	(st[n] == CONNECTING)
#ifdef PARLEY_NOSYNC
#define MEETING(n)	(st[n] == CONNECTING)
#else
#define MEETING(n)	(st[n] == CONNECTING || (st[n] == UP && !synced[n]))
#endif

inline advertise(n)
{
	atomic {
		stream[n] = true;
		if
		:: st[n] == UP -> owes[n] = true; say(n, via[n], ANNOUNCE)
		:: else -> skip
		fi
	}
	!(REACHING(n) || (st[n] == UP && owes[n]));
	atomic { advret[n] = true; check() }
}

inline subscribe(n)
{
	atomic {
		sub[n] = true;
		if :: st[n] == UP -> attach(n) :: else -> skip fi
	}
	!(MEETING(n) || (st[n] == UP && attaching[n]));
	atomic { subret[n] = true; check() }
}

proctype app(byte n)
{
	{ skip;
	/* Under its own lock, but the other does not wait for that. */
	here[n] = true;					/* @arrive_present */
	atomic {
		if
		:: here[1 - n] -> reach(n)		/* @arrive_scan */
		:: else -> skip
		fi;
		arrived[n] = true
	}
	!MEETING(n);
	if
	:: advertise(n); subscribe(n)
	:: subscribe(n); advertise(n)
	fi;
	finished[n] = true
	} unless { dead[n] }
}

#ifdef DEATH
proctype killer()
{
	if
	:: atomic { dead[1] = true; here[1] = false }
	:: skip
	fi
}
#endif

init {
	atomic {
		run steward(0); run steward(1); run app(0); run app(1);
#ifdef DEATH
		run killer()
#endif
	}
	timeout ->
	assert(finished[0] && (finished[1] || dead[1]));
	assert(dead[1] || (rows[0] == 1 && rows[1] == 1));
	assert(dead[1] || (st[0] == UP && st[1] == UP && via[0] == via[1]));
	assert(dead[1] || !open[1 - via[0]])
}
