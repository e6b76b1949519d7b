/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/topic.h"

#include "tests/lib/test.h"

#include <weir/weir.h>

#include <locale.h>
#include <stdbool.h>
#include <string.h>
#include <wchar.h>

/* ---- a second opinion: how one would write it without thinking of cost -------------- */

/* The first token of s into token; returns what is behind its dot, NULL if no dot. */
static const char *
split(const char *s, char *token)
{
	const char *dot = strchr(s, '.');
	size_t len = dot ? (size_t)(dot - s) : strlen(s);

	memcpy(token, s, len);
	token[len] = '\0';
	return dot ? dot + 1 : NULL;
}

static bool
naive_match(const char *pattern, const char *topic)
{
	char p[WEIR_NAME_MAX + 1], t[WEIR_NAME_MAX + 1];

	if (!pattern || !topic)
		return !pattern && !topic;
	pattern = split(pattern, p);
	topic = split(topic, t);
	if (!strcmp(p, ">"))
		return !pattern;
	return (!strcmp(p, "*") || !strcmp(p, t)) && naive_match(pattern, topic);
}

static bool
naive_check(const char *s, bool pattern)
{
	char token[WEIR_NAME_MAX + 2];

	if (!*s || strlen(s) > WEIR_NAME_MAX)
		return false;
	while (s) {
		const char *rest = split(s, token);
		bool star = !strcmp(token, "*"), all = !strcmp(token, ">");

		if (!*token)
			return false;
		if (strpbrk(token, "*>") && !(pattern && (star || (all && !rest))))
			return false;
		s = rest;
	}
	return true;
}

/* xorshift: the same strings in every run. */
static uint64_t seed = 88172645463325252u;

static unsigned
draw(unsigned below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % below;
}

static void
draw_string(char *s, const char *alphabet, unsigned longest)
{
	unsigned len = draw(longest + 1), kinds = (unsigned)strlen(alphabet);

	for (unsigned i = 0; i < len; i++)
		s[i] = alphabet[draw(kinds)];
	s[len] = '\0';
}

/* One to five tokens of those; not always a valid pattern. */
static void
draw_tokens(char *s, const char *const *token, unsigned kinds)
{
	unsigned count = 1 + draw(5);

	s[0] = '\0';
	for (unsigned i = 0; i < count; i++) {
		strcat(s, i ? "." : "");
		strcat(s, token[draw(kinds)]);
	}
}

/* ---- names -------------------------------------------------------------------------- */

static void
takes_good_names(void)
{
	static const char *const good[] = {"a", "a.b.c", "imu", "robot.arm-1.joint_7",
		"a/b.c", "\xc3\xa9t\xc3\xa9.\xe6\xb8\xa9\xe5\xba\xa6", "0", "a:b",
		"\xf0\x9f\x8c\x8a", "-", "~", "#.$", "A.a"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CHECK_EQ(wr_topic_check(good[i]), 0);
		CHECK_EQ(wr_pattern_check(good[i]), 0);
		CHECK(wr_pattern_is_literal(good[i]));
		CHECK_EQ(wr_pattern_match(good[i], good[i]), 1);
		CHECK_EQ(wr_name_check(good[i]),
			strchr(good[i], '/') ? -WEIR_E_USAGE_NAME : 0);
	}
}

static void
refuses_bad_names(void)
{
	static const char *const bad[] = {"", ".", "..", ".a", "a.", "a..b", " ", "a b",
		" a", "a ", "a\tb", "a\n", "\x01", "a\x7f", "\x80", "\xff", "\xc0\xaf",
		"\xc3", "a\xc3.b", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80", "\xe6\xb8", "\xc2\x85", "\xc2\xa0", "\xe2\x80\xa8",
		"\xe3\x80\x80", "a.\xe2\x80\x83.b"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_EQ(wr_topic_check(bad[i]), -WEIR_E_USAGE_NAME);
		CHECK_EQ(wr_pattern_check(bad[i]), -WEIR_E_USAGE_NAME);
		CHECK_EQ(wr_name_check(bad[i]), -WEIR_E_USAGE_NAME);
	}
	CHECK_EQ(wr_topic_check(NULL), -WEIR_E_USAGE_NAME);
	CHECK_EQ(wr_pattern_check(NULL), -WEIR_E_USAGE_NAME);
	CHECK_EQ(wr_name_check(NULL), -WEIR_E_USAGE_NAME);
}

static void
patterns_are_no_topics(void)
{
	static const char *const pattern[] = {
		"*", ">", "a.*", "a.>", "*.*", "*.>", "a.*.c", "*.b.>"};
	static const char *const neither[] = {"a*", "*a", "**", ">>", "a>", ">a", ">.a",
		"a.>.b", "*>", "a.*b.c", "*.", ".>", "a.>."};

	for (size_t i = 0; i < sizeof(pattern) / sizeof(pattern[0]); i++) {
		CHECK_EQ(wr_pattern_check(pattern[i]), 0);
		CHECK(!wr_pattern_is_literal(pattern[i]));
		CHECK_EQ(wr_topic_check(pattern[i]), -WEIR_E_USAGE_NAME);
		CHECK_EQ(wr_name_check(pattern[i]), -WEIR_E_USAGE_NAME);
	}
	for (size_t i = 0; i < sizeof(neither) / sizeof(neither[0]); i++) {
		CHECK_EQ(wr_pattern_check(neither[i]), -WEIR_E_USAGE_NAME);
		CHECK_EQ(wr_topic_check(neither[i]), -WEIR_E_USAGE_NAME);
	}
}

static void
length_ends_at_200_bytes(void)
{
	char name[WEIR_NAME_MAX + 2];

	memset(name, 'a', sizeof(name));
	name[WEIR_NAME_MAX] = '\0';
	CHECK_EQ(wr_topic_check(name), 0);
	CHECK_EQ(wr_name_check(name), 0);
	CHECK_EQ(wr_pattern_check(name), 0);
	name[WEIR_NAME_MAX] = 'a';
	name[WEIR_NAME_MAX + 1] = '\0';
	CHECK_EQ(wr_topic_check(name), -WEIR_E_USAGE_NAME);
	/* A character that is cut by the limit. */
	memcpy(name + WEIR_NAME_MAX - 1, "\xc3\xa9", 3);
	CHECK_EQ(wr_topic_check(name), -WEIR_E_USAGE_NAME);
}

static void
array_without_end_is_not_left(void)
{
	/* The sanitizer watches the byte behind it. */
	char *name = __builtin_malloc(WEIR_NAME_MAX + 1);

	REQUIRE(name);
	memset(name, 'a', WEIR_NAME_MAX + 1);
	CHECK_EQ(wr_topic_check(name), -WEIR_E_USAGE_NAME);
	CHECK_EQ(wr_pattern_check(name), -WEIR_E_USAGE_NAME);
	CHECK_EQ(wr_name_check(name), -WEIR_E_USAGE_NAME);
	__builtin_free(name);
}

/* Does the C library take these bytes for exactly one character? It also takes some that
 * Unicode has not. */
static bool
library_takes(const char *s, size_t len, wchar_t *c)
{
	mbstate_t state;

	memset(&state, 0, sizeof(state));
	return mbrtowc(c, s, len, &state) == len && *c <= 0x10ffff;
}

static bool
blank(uint32_t c)
{
	static const uint32_t spaces[] = {0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000};

	if (c <= 0x20 || (c >= 0x7f && c <= 0xa0) || (c >= 0x2000 && c <= 0x200a))
		return true;
	for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++)
		if (c == spaces[i])
			return true;
	return false;
}

static void
utf8_agrees_with_the_library(void)
{
	unsigned wrong = 0, taken = 0;
	char s[5];
	wchar_t c;

	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		TEST_SKIP("there is no locale C.UTF-8 to compare with");
	/* Two bytes, and three: all of them; four: every lead and second byte, and a
	 * sample of the rest. */
	for (unsigned a = 0x80; a < 0x100; a++)
		for (unsigned b = 1; b < 0x100; b++) {
			s[0] = (char)a;
			s[1] = (char)b;
			s[2] = '\0';
			bool want = library_takes(s, 2, &c) && !blank((uint32_t)c);

			wrong += (wr_topic_check(s) == 0) != want;
			taken += want;
			for (unsigned d = 0x70; d < 0xd0; d++) {
				s[2] = (char)d;
				s[3] = '\0';
				if (a >= 0xe0 && (b & 0xc0) == 0x80) {
					want = library_takes(s, 3, &c) &&
						!blank((uint32_t)c);
					wrong += (wr_topic_check(s) == 0) != want;
					taken += want;
				}
				if (a >= 0xf0 && d % 8 == 0) {
					s[3] = (char)(0x70 + draw(0x60));
					s[4] = '\0';
					want = library_takes(s, 4, &c);
					wrong += (wr_topic_check(s) == 0) != want;
					taken += want;
				}
			}
		}
	CHECK_EQ(wrong, 0);
	CHECK(taken > 60000);
}

/* ---- patterns ----------------------------------------------------------------------- */

static void
wildcards(void)
{
	static const struct {
		const char *pattern, *topic;
		int match;
	} table[] = {
		{"a.b.c", "a.b.c", 1},
		{"a.b.c", "a.b.d", 0},
		{"a.b", "a.b.c", 0},
		{"a.b.c", "a.b", 0},
		{"a", "ab", 0},
		{"ab", "a", 0},
		{"*", "a", 1},
		{"*", "a.b", 0},
		{"*.b", "a.b", 1},
		{"*.b", "a.c", 0},
		{"a.*", "a.b", 1},
		{"a.*", "a", 0},
		{"a.*", "a.b.c", 0},
		{"a.*.c", "a.b.c", 1},
		{"a.*.c", "a.bbbb.c", 1},
		{"a.*.c", "a.b.d.c", 0},
		{"*.*.*", "a.b.c", 1},
		{"*.*.*", "a.b", 0},
		{">", "a", 1},
		{">", "a.b.c", 1},
		{"a.>", "a", 0},
		{"a.>", "a.b", 1},
		{"a.>", "a.b.c.d", 1},
		{"a.>", "b.a", 0},
		{"a.>", "ab.c", 0},
		{"*.>", "a", 0},
		{"*.>", "a.b", 1},
		{"a.*.>", "a.b", 0},
		{"a.*.>", "a.b.c", 1},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (wr_pattern_match(table[i].pattern, table[i].topic) != table[i].match)
			FAIL("'%s' and '%s': not %d", table[i].pattern, table[i].topic,
				table[i].match);
		CHECK_EQ(naive_match(table[i].pattern, table[i].topic), table[i].match);
	}
}

/* What has not passed its check matches nothing that stands for a token. */
static void
empty_tokens_match_nothing(void)
{
	CHECK_EQ(wr_pattern_match("*", ""), 0);
	CHECK_EQ(wr_pattern_match(">", ""), 0);
	CHECK_EQ(wr_pattern_match("*.b", ".b"), 0);
	CHECK_EQ(wr_pattern_match("a.*", "a."), 0);
	CHECK_EQ(wr_pattern_match("a.>", "a."), 0);
}

static void
agrees_with_the_naive_matcher(void)
{
	static const char *const token[] = {"a", "b", "ab", "ba", "*", "*", ">"};
	unsigned pairs = 0, matches = 0, wrong = 0;
	char pattern[32], topic[32];

	for (int i = 0; i < 500000; i++) {
		draw_tokens(pattern, token, 7);
		draw_tokens(topic, token, 4);
		if (wr_pattern_check(pattern) || wr_topic_check(topic))
			continue;
		bool want = naive_match(pattern, topic);

		pairs++;
		matches += want;
		if ((wr_pattern_match(pattern, topic) == 1) != want) {
			wrong++;
			FAIL("'%s' and '%s': not %d", pattern, topic, want);
		}
		if (wr_pattern_is_literal(pattern) != !strpbrk(pattern, "*>"))
			FAIL("'%s' is or is not literal", pattern);
		if (wrong > 10)
			return;
	}
	wr_test_note("%u pairs, %u of them match", pairs, matches);
	CHECK(pairs > 100000);
	CHECK(matches > 10000);
	CHECK(matches < pairs);
}

static void
checks_agree_with_the_naive_ones(void)
{
	unsigned good = 0, wrong = 0;
	char s[32];

	for (int i = 0; i < 400000 && wrong < 10; i++) {
		draw_string(s, "ab*>..", 9);
		bool topic = naive_check(s, false), pattern = naive_check(s, true);

		good += pattern;
		if ((wr_topic_check(s) == 0) != topic ||
			(wr_pattern_check(s) == 0) != pattern) {
			wrong++;
			FAIL("'%s': topic %d, pattern %d", s, topic, pattern);
		}
	}
	CHECK(good > 10000);
}

/* Every topic of up to four tokens from {a, b} against every pattern of the same size. */
static void
all_small_ones(void)
{
	static const char *const token[] = {"a", "b", "*", ">"};
	char pattern[16], topic[16];
	unsigned wrong = 0, pairs = 0;

	for (unsigned np = 1; np <= 4; np++)
		for (unsigned p = 0; p < 1u << (2 * np); p++) {
			pattern[0] = '\0';
			for (unsigned i = 0; i < np; i++) {
				strcat(pattern, i ? "." : "");
				strcat(pattern, token[p >> (2 * i) & 3]);
			}
			if (wr_pattern_check(pattern))
				continue;
			for (unsigned nt = 1; nt <= 4; nt++)
				for (unsigned t = 0; t < 1u << nt; t++) {
					topic[0] = '\0';
					for (unsigned i = 0; i < nt; i++) {
						strcat(topic, i ? "." : "");
						strcat(topic, token[t >> i & 1]);
					}
					pairs++;
					wrong += wr_pattern_match(pattern, topic) !=
						naive_match(pattern, topic);
				}
		}
	CHECK_EQ(wrong, 0);
	CHECK(pairs > 1000);
}

static void
longest_pattern(void)
{
	char pattern[WEIR_NAME_MAX + 1], topic[WEIR_NAME_MAX + 1];

	/* "*.*.*. ... .*a" has no end for a matcher that tries again. */
	for (int i = 0; i < WEIR_NAME_MAX - 1; i++) {
		pattern[i] = i % 2 ? '.' : '*';
		topic[i] = i % 2 ? '.' : 'a';
	}
	pattern[WEIR_NAME_MAX - 1] = '\0';
	topic[WEIR_NAME_MAX - 1] = '\0';
	CHECK_EQ(wr_pattern_check(pattern), 0);
	CHECK_EQ(wr_topic_check(topic), 0);
	CHECK_EQ(wr_pattern_match(pattern, topic), 1);
	pattern[WEIR_NAME_MAX - 2] = 'b';
	CHECK_EQ(wr_pattern_match(pattern, topic), 0);
}

static const struct wr_test tests[] = {
	TEST(takes_good_names),
	TEST(refuses_bad_names),
	TEST(patterns_are_no_topics),
	TEST(length_ends_at_200_bytes),
	TEST(array_without_end_is_not_left),
	TEST(utf8_agrees_with_the_library),
	TEST(wildcards),
	TEST(empty_tokens_match_nothing),
	TEST(agrees_with_the_naive_matcher),
	TEST(checks_agree_with_the_naive_ones),
	TEST(all_small_ones),
	TEST(longest_pattern),
	TEST_END,
};
const struct wr_suite wr_suite_topic = {
	.name = "topic", .tests = tests, .labels = "input"};
