/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tools/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "tools/text.h"

void
json_init(struct json *j, FILE *out)
{
	*j = (struct json){.out = out};
}

static void
escape(struct json *j, const unsigned char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t step = text_utf8(text + i, len - i);
		if (!step) {
			fputs("\\ufffd", j->out);
			step = 1;
		} else if (text[i] == '"' || text[i] == '\\') {
			fprintf(j->out, "\\%c", text[i]);
		} else if (text[i] == '\n') {
			fputs("\\n", j->out);
		} else if (text[i] == '\t') {
			fputs("\\t", j->out);
		} else if (text[i] < 0x20 || text[i] == 0x7f) {
			fprintf(j->out, "\\u%04x", text[i]);
		} else {
			fwrite(text + i, 1, step, j->out);
		}
		i += step;
	}
}

static void
begin(struct json *j, const char *key)
{
	if (j->begun[j->depth])
		fputc(',', j->out);
	j->begun[j->depth] = j->depth > 0;
	if (key)
		fprintf(j->out, "\"%s\":", key);
}

static void
open_level(struct json *j, const char *key, char bracket)
{
	begin(j, key);
	fputc(bracket, j->out);
	assert(j->depth + 1 < JSON_DEPTH_MAX);
	j->begun[++j->depth] = 0;
}

static void
close_level(struct json *j, char bracket)
{
	assert(j->depth > 0);
	fputc(bracket, j->out);
	if (!--j->depth)
		fputc('\n', j->out);
}

void
json_object(struct json *j, const char *key)
{
	open_level(j, key, '{');
}

void
json_array(struct json *j, const char *key)
{
	open_level(j, key, '[');
}

void
json_end_object(struct json *j)
{
	close_level(j, '}');
}

void
json_end_array(struct json *j)
{
	close_level(j, ']');
}

void
json_str(struct json *j, const char *key, const char *text)
{
	if (!text) {
		json_null(j, key);
		return;
	}
	begin(j, key);
	fputc('"', j->out);
	escape(j, (const unsigned char *)text, strlen(text));
	fputc('"', j->out);
}

void
json_u64(struct json *j, const char *key, uint64_t value)
{
	begin(j, key);
	fprintf(j->out, "%" PRIu64, value);
}

void
json_i64(struct json *j, const char *key, int64_t value)
{
	begin(j, key);
	fprintf(j->out, "%" PRId64, value);
}

void
json_real(struct json *j, const char *key, double value)
{
	if (!isfinite(value)) {
		json_null(j, key);
		return;
	}
	begin(j, key);
	fprintf(j->out, "%.3f", value);
}

void
json_bool(struct json *j, const char *key, int value)
{
	begin(j, key);
	fputs(value ? "true" : "false", j->out);
}

void
json_null(struct json *j, const char *key)
{
	begin(j, key);
	fputs("null", j->out);
}

void
json_id(struct json *j, const char *key, uint64_t id)
{
	begin(j, key);
	fprintf(j->out, "\"0x%" PRIx64 "\"", id);
}

static void
base64(FILE *out, const unsigned char *data, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		unsigned three = (unsigned)data[i] << 16;
		if (left > 1)
			three |= (unsigned)data[i + 1] << 8;
		if (left > 2)
			three |= data[i + 2];
		fputc(digits[three >> 18], out);
		fputc(digits[three >> 12 & 63], out);
		fputc(left > 1 ? digits[three >> 6 & 63] : '=', out);
		fputc(left > 2 ? digits[three & 63] : '=', out);
	}
}

void
json_data(struct json *j, const void *data, size_t len)
{
	int text = text_is_utf8(data, len);
	begin(j, text ? "text" : "base64");
	fputc('"', j->out);
	if (text)
		escape(j, data, len);
	else
		base64(j->out, data, len);
	fputc('"', j->out);
}
