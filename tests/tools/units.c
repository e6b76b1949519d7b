/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The pure parts of the command: numbers, histogram, patterns, JSON, one by one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/hist.h"
#include "tools/json.h"
#include "tools/text.h"

static int failures;

static void
expect(int good, const char *what, int line)
{
	if (good)
		return;
	printf("units.c:%d: %s\n", line, what);
	failures++;
}

#define EXPECT(condition) expect((condition), #condition, __LINE__)
#define SAME(text, want) \
	expect(!strcmp((text).s, want), #text " is not " want, __LINE__)

static void
numbers(void)
{
	SAME(text_count(0), "0");
	SAME(text_count(999), "999");
	SAME(text_count(1000), "1,000");
	SAME(text_count(UINT64_MAX), "18,446,744,073,709,551,615");
	SAME(text_short(999), "999");
	SAME(text_short(1870), "1.87k");
	SAME(text_short(UINT64_MAX), "18.4E");
	SAME(text_rate(0), "0/s");
	SAME(text_rate(2000), "2k/s");
	SAME(text_rate(1999.6), "2.00k/s");
	SAME(text_rate(999.7), "1.00k/s");
	SAME(text_ns(12345), "12.3 us");
	SAME(text_ns(123456), "123 us");
	SAME(text_ns(999999), "1.00 ms");
	SAME(text_ns(3.6e12), "3600 s");
	SAME(text_bytes(32), "32 B");
	SAME(text_bytes(1.5e6), "1.50 MB");
}

static void
histogram(void)
{
	static struct hist h;
	EXPECT(hist_at(&h, 0.5) == 0);
	/* Every value comes back at most 1.6 % too high, and never too low. */
	for (uint64_t v = 1; v < (uint64_t)1 << 42; v = v * 9 / 8 + 1) {
		hist_clear(&h);
		hist_add(&h, v);
		hist_add(&h, (uint64_t)1 << 62);
		uint64_t got = hist_at(&h, 0.5);
		EXPECT(got >= v && (double)got <= (double)v * 1.016);
		EXPECT(hist_at(&h, 1.0) == h.max);
	}
	hist_clear(&h);
	for (uint64_t v = 1; v <= 100; v++)
		hist_add(&h, v % 50);
	EXPECT(hist_at(&h, 0.5) == 24 && hist_at(&h, 0.99) == 49 && h.max == 49);
}

static void
patterns(void)
{
	EXPECT(text_topic_matches("a", "a"));
	EXPECT(!text_topic_matches("a", "b"));
	EXPECT(!text_topic_matches("a", "a.b"));
	EXPECT(!text_topic_matches("a.b", "a"));
	EXPECT(text_topic_matches("a.*", "a.b"));
	EXPECT(!text_topic_matches("a.*", "a"));
	EXPECT(!text_topic_matches("a.*", "a.b.c"));
	EXPECT(text_topic_matches("*.b", "a.b"));
	EXPECT(text_topic_matches("a.>", "a.b.c"));
	EXPECT(!text_topic_matches("a.>", "a"));
	EXPECT(text_topic_matches(">", "a"));
	EXPECT(text_topic_matches("*.*.c", "a.b.c"));
	EXPECT(!text_topic_matches("ab", "a"));
	EXPECT(!text_topic_matches("a", "ab"));
}

static int
utf8(const char *bytes, size_t len)
{
	return text_is_utf8(bytes, len);
}

static void
bytes(void)
{
	EXPECT(utf8("", 0) && utf8("abc", 3) && utf8("\xc3\xa4", 2));
	EXPECT(utf8("\xe2\x82\xac\xf0\x9f\x98\x80", 7) && utf8("\0", 1));
	EXPECT(!utf8("\xc3", 1) && !utf8("\x80", 1) && !utf8("\xff", 1));
	EXPECT(!utf8("\xc0\x80", 2) && !utf8("\xe0\x80\x80", 3)); /* overlong */
	EXPECT(!utf8("\xed\xa0\x80", 3));                         /* a surrogate */
	EXPECT(!utf8("\xf4\x90\x80\x80", 4) && !utf8("\xf5", 1)); /* beyond the last */
}

static void
writes_json(void)
{
	char *out = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&out, &size);
	struct json j;
	json_init(&j, f);
	json_object(&j, NULL);
	json_str(&j, "s", "a\"\\\n\x01\xff");
	json_array(&j, "a");
	json_u64(&j, NULL, UINT64_MAX);
	json_i64(&j, NULL, -1);
	json_real(&j, NULL, 1.0 / 3);
	json_real(&j, NULL, 1.0 / 0.0);
	json_bool(&j, NULL, 1);
	json_object(&j, NULL);
	json_end_object(&j);
	json_end_array(&j);
	json_id(&j, "id", 255);
	json_str(&j, "none", NULL);
	json_data(&j, "\xff\x00", 2);
	json_end_object(&j);
	fclose(f);
	EXPECT(!strcmp(out,
		"{\"s\":\"a\\\"\\\\\\n\\u0001\\ufffd\","
		"\"a\":[18446744073709551615,-1,0.333,null,true,{}],"
		"\"id\":\"0xff\",\"none\":null,\"base64\":\"/wA=\"}\n"));
	free(out);
}

static void
tables(void)
{
	char *out = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&out, &size);
	struct table t;
	table_init(&t, "lr");
	table_add(&t, "NAME");
	table_add(&t, "N");
	table_add(&t, "x");
	table_add(&t, "%d", 100);
	table_print(&t, f, 0);
	fclose(f);
	EXPECT(!strcmp(out, "NAME    N\nx     100\n"));
	free(out);
}

int
main(void)
{
	numbers();
	histogram();
	patterns();
	bytes();
	writes_json();
	tables();
	return failures != 0;
}
