/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/topic.h"

#include <weir/weir.h>

#include <stddef.h>
#include <stdint.h>

enum kind { TOPIC, PATTERN, NAME };

/*
 * Decodes one UTF-8 character of at most len bytes. Returns its length, or 0 where it is
 * not the shortest form of a character that exists.
 */
static size_t
decode(const unsigned char *s, size_t len, uint32_t *out)
{
	uint32_t c = s[0];
	size_t more;

	if (c < 0x80) {
		*out = c;
		return 1;
	}
	if (c >= 0xc2 && c <= 0xdf) {
		more = 1;
		c &= 0x1f;
	} else if (c >= 0xe0 && c <= 0xef) {
		more = 2;
		c &= 0x0f;
	} else if (c >= 0xf0 && c <= 0xf4) {
		more = 3;
		c &= 0x07;
	} else {
		return 0;
	}
	if (len < more + 1)
		return 0;
	for (size_t i = 1; i <= more; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if ((more == 2 && c < 0x800) || (more == 3 && c < 0x10000) || c > 0x10ffff ||
		(c >= 0xd800 && c <= 0xdfff))
		return 0;
	*out = c;
	return more + 1;
}

/* Control characters, and whatever looks like a space or breaks a line. */
static bool
is_blank(uint32_t c)
{
	return c <= 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0x1680 ||
		(c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
		c == 0x202f || c == 0x205f || c == 0x3000;
}

static bool
check(const char *name, enum kind kind)
{
	const unsigned char *s = (const unsigned char *)name;
	size_t len = 0, at = 0, start = 0;

	if (!name)
		return false;
	while (len <= WEIR_NAME_MAX && s[len])
		len++;
	if (len == 0 || len > WEIR_NAME_MAX)
		return false;
	while (at < len) {
		uint32_t c;
		size_t n = decode(s + at, len - at, &c);

		if (n == 0 || is_blank(c) || (c == '/' && kind == NAME))
			return false;
		if (c == '.') {
			if (at == start || at + 1 == len)
				return false;
			start = at + 1;
		}
		if (c == '*' || c == '>') {
			/* A token of its own, and '>' the last one. */
			bool last = at + 1 == len;

			if (kind != PATTERN || at != start ||
				(!last && (c == '>' || s[at + 1] != '.')))
				return false;
		}
		at += n;
	}
	return true;
}

int
wr_topic_check(const char *name)
{
	return check(name, TOPIC) ? 0 : -WEIR_E_USAGE_NAME;
}

int
wr_pattern_check(const char *pattern)
{
	return check(pattern, PATTERN) ? 0 : -WEIR_E_USAGE_NAME;
}

int
wr_name_check(const char *name)
{
	return check(name, NAME) ? 0 : -WEIR_E_USAGE_NAME;
}

/* Is the token at the pattern's position this character alone? */
static bool
is_token(const char *p, char c)
{
	return p[0] == c && (p[1] == '.' || p[1] == '\0');
}

int
wr_pattern_match(const char *pattern, const char *topic)
{
	const char *p = pattern, *t = topic;

	/* Both stand at the start of a token here. */
	for (;;) {
		if (is_token(p, '>'))
			return p[1] == '\0' && *t != '\0';
		if (is_token(p, '*')) {
			if (*t == '.' || *t == '\0')
				return 0;
			p++;
			while (*t && *t != '.')
				t++;
		} else {
			while (*p && *p != '.' && *p == *t) {
				p++;
				t++;
			}
		}
		if (*p != *t)
			return 0;
		if (*p == '\0')
			return 1;
		if (*p != '.')
			return 0;
		p++;
		t++;
	}
}

bool
wr_pattern_is_literal(const char *pattern)
{
	bool start = true;

	for (const char *p = pattern; *p; p++) {
		if (start && (is_token(p, '*') || is_token(p, '>')))
			return false;
		start = *p == '.';
	}
	return true;
}
