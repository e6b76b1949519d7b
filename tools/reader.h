/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the verbs say of one reader of a stream: on what terms it reads, and its books. */
#ifndef TOOLS_READER_H
#define TOOLS_READER_H

#include "tools/look.h"
#include "tools/text.h"

/* The names of enum weir_policy, as --policy takes them. */
#define READER_POLICIES "drop-oldest|latest|disconnect|block"

/* "name[pid]" */
void reader_who(const weir_look_reader *reader, char *to, size_t size);
struct text reader_policy(const weir_look_reader *reader);
/* "waited for", or why not. */
const char *reader_state(const weir_look_reader *reader);
/* What it may cost others: "5 ms of any 100 ms". */
struct text reader_budget(const weir_look_reader *reader);

/* All that its own books and the walk over its stream add up to. */
uint64_t reader_sum(const weir_look_reader *reader);
uint64_t reader_lost(const weir_look_reader *reader);

/* Fields of an object: who it is and on what terms; how it stands; its books. */
void reader_terms_json(struct json *j, const weir_look_reader *reader);
void reader_lag_json(struct json *j, const weir_look_reader *reader);
void reader_books_json(struct json *j, const weir_look_reader *reader);

/*
 * Asks who reads the streams that match, and counts their books, into look->readers.
 * Returns 0; or an exit code after saying why, TOOL_NOTFOUND where no stream matches.
 */
int reader_ask(struct look *look, const char *asked);
/* The same, where none need match. */
int reader_ask_any(struct look *look, const char *asked);

/* Calls fn for each stream that matches, in order of their topics, and for each of its
 * readers, which may be none: then reader is NULL. */
typedef void (*reader_fn)(void *ctx, const weir_look_stream *stream, size_t index,
	const weir_look_reader *reader);
void reader_each(const struct look *look, const char *asked, reader_fn fn, void *ctx);

#endif
