/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What ties a handle to its bus, whatever its kind: it is closed with the bus, and whoever
 * takes the bus over takes it over too. Embedded in the handle.
 */
#ifndef WR_PROTOCOLS_TIE_H
#define WR_PROTOCOLS_TIE_H

struct weir_bus;
struct wr_tie;

/* A bus closes its handles in this order. */
enum wr_tie_turn { WR_TIE_ON_THE_LOOP, WR_TIE_READS, WR_TIE_WRITES };

struct wr_tie_kind {
	enum wr_tie_turn turn;
	/* Ends the handle, whatever it is in the middle of, and frees it. */
	void (*close)(struct wr_tie *tie);
	/* It is the calling thread's from here on. */
	void (*adopt)(struct wr_tie *tie);
};

struct wr_tie {
	const struct wr_tie_kind *kind;
	struct wr_tie *next;
};

/* Ties it to the bus if that is the calling thread's, which it returns then; else NULL: then
 * the handle is its maker's to close. */
struct weir_bus *wr_tie_to(
	struct weir_bus *bus, struct wr_tie *tie, const struct wr_tie_kind *kind);
void wr_tie_undo(struct weir_bus *bus, struct wr_tie *tie);

/* The bus's own thread: closes those whose turn it is, the newest first; adopts all. */
void wr_ties_close(struct weir_bus *bus, enum wr_tie_turn turn);
void wr_ties_adopt(struct weir_bus *bus);

#endif
