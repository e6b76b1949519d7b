/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Writes JSON, one value after the other, with the commas in their places. */
#ifndef TOOLS_JSON_H
#define TOOLS_JSON_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { JSON_DEPTH_MAX = 16 };

struct json {
	FILE *out;
	unsigned depth;
	unsigned char begun[JSON_DEPTH_MAX]; /* 1: the next value wants a comma before it */
};

/* key is NULL inside an array and at the top. The outermost end also ends the line. */
void json_init(struct json *j, FILE *out);
void json_object(struct json *j, const char *key);
void json_array(struct json *j, const char *key);
void json_end_object(struct json *j);
void json_end_array(struct json *j);

/* A string; bytes that are not UTF-8 become U+FFFD. NULL is written as null. */
void json_str(struct json *j, const char *key, const char *text);
void json_u64(struct json *j, const char *key, uint64_t value);
void json_i64(struct json *j, const char *key, int64_t value);
/* A finite number with up to three decimals; null otherwise. */
void json_real(struct json *j, const char *key, double value);
void json_bool(struct json *j, const char *key, int value);
void json_null(struct json *j, const char *key);
/* An id of 64 bits as "0x...", since many readers keep only 53 bits of a number. */
void json_id(struct json *j, const char *key, uint64_t id);
/* Bytes: "text" where they are UTF-8, "base64" otherwise. The key says which. */
void json_data(struct json *j, const void *data, size_t len);

#endif
