/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tools/top_screen.h"

#include "tools/tool.h"

#if WEIR_CURSES

#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/top_page.h"

enum {
	HEAD_LINES = 3, /* title, tabs, heads of the columns */
	FOOT_LINES = 1,
	KEY_MS = 100, /* how soon a change of the terminal's size is seen */
	INDENT = 10,  /* of what a line of a page goes on with */
	ESCAPE = 27,
	PAIR_WARN = 1,
	PAIR_YIELD,
	PAIR_ISOLATE,
	PAIR_QUIET
};

enum page { PAGE_NONE = 0, PAGE_INFO, PAGE_WHY, PAGE_HELP };

struct screen {
	struct top_source *source;
	struct top_view view;
	size_t *rows; /* in the order of the view */
	size_t count;
	size_t at;          /* which of them is selected, */
	uint64_t id;        /* and what that is, in any look */
	size_t top;         /* first line of the list that is seen */
	int paused, asking; /* for a filter */
	int failed;         /* the last look */
	int stale;          /* what is on the terminal */
	int page;           /* enum page */
	size_t page_top;
	char **lines; /* of the page */
	size_t line_count;
	int every_ms;
};

/* ---- drawing -------------------------------------------------------------------------------- */

/* Places that a text takes: what continues a character takes none. */
static int
places(const char *text)
{
	int count = 0;
	for (; *text; text++)
		count += (*text & 0xc0) != 0x80;
	return count;
}

/* At most so many places of the text; returns how many it took. */
static int
draw(int y, int x, int most, const char *text)
{
	int took = 0;
	size_t bytes = 0;
	if (x + most > COLS)
		most = COLS - x;
	for (; text[bytes]; bytes++) {
		if ((text[bytes] & 0xc0) == 0x80)
			continue;
		if (took == most)
			break;
		took++;
	}
	if (most > 0 && y < LINES)
		mvaddnstr(y, x, text, (int)bytes);
	return took;
}

static void
ink(attr_t attrs)
{
	(void)attrset((int)attrs);
}

static attr_t
of_tier(uint32_t tier)
{
	static const short pairs[] = {0, PAIR_WARN, PAIR_YIELD, PAIR_ISOLATE};
	attr_t attrs = (attr_t)COLOR_PAIR(pairs[tier]);
	return tier == 3 ? attrs | A_BOLD : attrs;
}

static void
fill(int y, attr_t attrs)
{
	ink(attrs);
	mvhline(y, 0, ' ', COLS);
}

/* ---- the list ------------------------------------------------------------------------------- */

/* Which columns are shown, and how wide each is. */
struct layout {
	size_t columns[TOP_COLUMNS_MAX];
	int widths[TOP_COLUMNS_MAX];
	size_t count;
};

static int
width_of(const struct screen *s, size_t column)
{
	const struct top_column *c = &top_columns(s->view.tab)[column];
	int width = places(c->head) > c->width ? places(c->head) : c->width;
	/* Of those that are seen: there may be a hundred thousand. */
	for (size_t i = s->top; i < s->count && i < s->top + (size_t)LINES; i++) {
		struct top_cell cell;
		top_cell(&s->view, s->rows[i], column, &cell);
		if (places(cell.text) > width)
			width = places(cell.text);
	}
	return width;
}

static int
whole_width(const struct layout *l)
{
	int width = 0;
	for (size_t i = 0; i < l->count; i++)
		width += l->widths[i] + (i ? 1 : 0);
	return width;
}

/* Leaves out the column that is missed least; 0: all of them are needed. */
static int
leave_out(const struct screen *s, struct layout *l)
{
	const struct top_column *columns = top_columns(s->view.tab);
	size_t worst = 0;
	for (size_t i = 1; i < l->count; i++) {
		if (columns[l->columns[i]].rank > columns[l->columns[worst]].rank)
			worst = i;
	}
	if (!columns[l->columns[worst]].rank)
		return 0;
	l->count--;
	for (size_t i = worst; i < l->count; i++) {
		l->columns[i] = l->columns[i + 1];
		l->widths[i] = l->widths[i + 1];
	}
	return 1;
}

/* The first column, of names, gives way before others are left out, and again after. */
static void
lay_out(const struct screen *s, struct layout *l)
{
	const struct top_column *columns = top_columns(s->view.tab);
	int least = columns[0].width, over;
	*l = (struct layout){.count = 0};
	for (size_t i = 0; columns[i].head; i++) {
		l->columns[l->count] = i;
		l->widths[l->count++] = width_of(s, i);
	}
	if (l->widths[0] < 24)
		least = l->widths[0];
	else if (least < 24)
		least = 24;
	while (whole_width(l) - l->widths[0] + least > COLS && leave_out(s, l))
		;
	over = whole_width(l) - COLS;
	if (over > 0)
		l->widths[0] = l->widths[0] - over < columns[0].width
			? columns[0].width
			: l->widths[0] - over;
}

static void
draw_heads(const struct screen *s, const struct layout *l)
{
	const struct top_column *columns = top_columns(s->view.tab);
	int x = 0;
	fill(HEAD_LINES - 1, A_UNDERLINE);
	for (size_t i = 0; i < l->count; i++) {
		const struct top_column *c = &columns[l->columns[i]];
		int pad = c->align == 'r' ? l->widths[i] - places(c->head) : 0;
		int sorted = (size_t)s->view.sort == l->columns[i];
		ink(sorted ? A_BOLD | A_UNDERLINE : A_UNDERLINE);
		draw(HEAD_LINES - 1, x + pad, l->widths[i], c->head);
		x += l->widths[i] + 1;
	}
	ink(A_NORMAL);
}

/* Colours say the tier, where the row is not selected: that one is drawn the other way round. */
static attr_t
cell_attrs(const struct screen *s, size_t row, size_t column)
{
	const char *head = top_columns(s->view.tab)[column].head;
	uint32_t tier = top_tier(&s->view, row);
	if (top_quiet(&s->view, row))
		return (attr_t)COLOR_PAIR(PAIR_QUIET);
	if (!strcmp(head, "TIER") || !strcmp(head, "USED") || !strcmp(head, "WEIGHT"))
		return of_tier(tier);
	return A_NORMAL;
}

static void
draw_row(const struct screen *s, const struct layout *l, int y, size_t row, int selected)
{
	const struct top_column *columns = top_columns(s->view.tab);
	int x = 0;
	fill(y, selected ? A_REVERSE : A_NORMAL);
	for (size_t i = 0; i < l->count; i++) {
		struct top_cell cell;
		top_cell(&s->view, row, l->columns[i], &cell);
		int pad = columns[l->columns[i]].align == 'r'
			? l->widths[i] - places(cell.text)
			: 0;
		ink(selected ? A_REVERSE : cell_attrs(s, row, l->columns[i]));
		draw(y, x + (pad > 0 ? pad : 0), l->widths[i], cell.text);
		x += l->widths[i] + 1;
	}
	ink(A_NORMAL);
}

static void
draw_why(const struct screen *s, int y, size_t row)
{
	ink(of_tier(top_tier(&s->view, row)) & ~A_BOLD);
	const char *why = top_why(&s->view, row);
	int x = 2 + draw(y, 2, COLS - 2, "why?  ");
	draw(y, x, COLS - x, why);
	if (places(why) > COLS - x)
		draw(y, COLS - 1, 1, s->view.glyphs->more);
	ink(A_NORMAL);
}

/* A row, and why it is where it is. */
static int
height_of(const struct screen *s, size_t i)
{
	return s->view.tab == TOP_CONSUMERS && top_why(&s->view, s->rows[i]) ? 2 : 1;
}

/* Scrolls until the selected row is seen, with its reason. */
static void
scroll_to(struct screen *s, int room)
{
	int used = 0;
	size_t first = s->at;
	if (s->top > s->at)
		s->top = s->at;
	for (used = height_of(s, s->at); first > s->top; first--) {
		used += height_of(s, first - 1);
		if (used > room)
			break;
	}
	s->top = first;
}

static const char *
nothing(const struct screen *s)
{
	if (s->view.filter[0])
		return "nothing has that in it; f and Esc show all again";
	if (s->view.tab != TOP_LATENCY)
		return "nothing yet";
	return "nobody has times taken: a program calls weir_measure(bus, 1) for that";
}

static void
draw_list(struct screen *s)
{
	struct layout l;
	int y = HEAD_LINES, end = LINES - FOOT_LINES;
	if (s->count)
		scroll_to(s, end - y);
	lay_out(s, &l);
	draw_heads(s, &l);
	if (!s->count)
		draw(y + 1, 2, COLS - 2, nothing(s));
	for (size_t i = s->top; i < s->count && y < end; i++) {
		draw_row(s, &l, y++, s->rows[i], i == s->at);
		if (height_of(s, i) > 1 && y < end)
			draw_why(s, y++, s->rows[i]);
	}
}

/* ---- pages ---------------------------------------------------------------------------------- */

static void
drop_page(struct screen *s)
{
	for (size_t i = 0; i < s->line_count; i++)
		free(s->lines[i]);
	free(s->lines);
	s->lines = NULL;
	s->line_count = 0;
}

static int
add_line(struct screen *s, int indent, const char *text, int bytes)
{
	char **lines = realloc(s->lines, (s->line_count + 1) * sizeof(*lines));
	if (!lines)
		return -1;
	s->lines = lines;
	if (asprintf(&lines[s->line_count], "%*s%.*s", indent, "", bytes, text) < 0)
		return -1;
	s->line_count++;
	return 0;
}

/* Where a line that is too long is broken: behind a word, if it has several. */
static int
break_at(const char *text, int length, int room)
{
	if (length <= room)
		return length;
	for (int i = room; i > 0; i--) {
		if (text[i] == ' ')
			return i;
	}
	return room;
}

static void
wrap(struct screen *s, const char *text, int length)
{
	int indent = 0;
	int hang = text[0] == ' ' ? INDENT : 2;
	int width = COLS > 2 * INDENT ? COLS : 2 * INDENT;
	do {
		int bytes = break_at(text, length, width - indent);
		if (add_line(s, indent, text, bytes) < 0)
			return;
		text += bytes;
		length -= bytes;
		while (length && *text == ' ') {
			text++;
			length--;
		}
		indent = hang;
	} while (length);
}

static void
write_page(struct screen *s, FILE *out)
{
	if (s->page == PAGE_HELP)
		top_page_help(out);
	else if (!s->count)
		fprintf(out, "there is nothing\n");
	else if (s->page == PAGE_INFO)
		top_page_info(out, s->source, &s->view, s->rows[s->at]);
	else
		top_page_why(out, s->source, &s->view, s->rows[s->at]);
}

static void
make_page(struct screen *s)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	drop_page(s);
	if (!out)
		return;
	write_page(s, out);
	if (fclose(out) == 0) {
		for (const char *line = text; *line;) {
			size_t length = strcspn(line, "\n");
			wrap(s, line, (int)length);
			line += length + (line[length] != 0);
		}
	}
	free(text);
}

static void
draw_page(struct screen *s)
{
	size_t room = (size_t)(LINES > 4 ? LINES - 4 : 1);
	make_page(s);
	if (s->page_top + room > s->line_count)
		s->page_top = s->line_count > room ? s->line_count - room : 0;
	for (size_t i = 0; i < room && s->page_top + i < s->line_count; i++) {
		const char *line = s->lines[s->page_top + i];
		ink(line[0] && line[0] != ' ' ? A_BOLD : A_NORMAL);
		draw(2 + (int)i, 0, COLS, line);
	}
	ink(A_NORMAL);
}

/* ---- the frame ------------------------------------------------------------------------------ */

static size_t
suspects(const struct top_look *look)
{
	size_t count = 0;
	for (size_t i = 0; i < look->consumer_count; i++)
		count += look->consumers[i].is.tier > 0;
	return count;
}

/* On the right, if there is room behind what stands there: x is the first place that is free. */
static void
draw_right(int y, int x, const char *text)
{
	int at = COLS - places(text);
	if (at > x)
		draw(y, at, places(text), text);
}

static void
draw_clock(const struct screen *s, int x)
{
	char clock[16] = "";
	time_t now = time(NULL);
	struct tm tm;
	if (localtime_r(&now, &tm))
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	draw_right(0, x,
		s->failed           ? "cannot be looked at"
			: s->paused ? "paused"
				    : clock);
}

static size_t
stopped(const struct top_look *look)
{
	size_t count = 0;
	for (size_t i = 0; i < look->loop_count; i++)
		count += look->loops[i].quiet == TOP_STOPPED;
	return count;
}

static void
draw_title(const struct screen *s)
{
	const struct top_look *look = s->view.look;
	size_t above = suspects(look);
	char text[3 * WEIR_NAME_MAX];
	snprintf(text, sizeof(text), "weir top  bus %s: %zu process%s, %zu consumer%s",
		look->bus, look->processes, look->processes == 1 ? "" : "es",
		look->consumer_count, look->consumer_count == 1 ? "" : "s");
	ink(A_BOLD);
	int x = draw(0, 0, COLS, text);
	if (above) {
		ink(of_tier(1));
		snprintf(text, sizeof(text), ", %zu above monitor", above);
		x += draw(0, x, COLS - x, text);
	}
	if (look->quiet) {
		ink((attr_t)COLOR_PAIR(PAIR_QUIET) | A_BOLD);
		snprintf(text, sizeof(text), ", %zu %s", look->quiet,
			stopped(look) ? "stopped" : "silent");
		x += draw(0, x, COLS - x, text);
	}
	ink(A_NORMAL);
	draw_clock(s, x);
}

static void
draw_tabs(const struct screen *s)
{
	int x = 0;
	for (int tab = 0; tab < TOP_TABS; tab++) {
		char text[32];
		snprintf(text, sizeof(text), " %s ", top_tab_name(tab));
		ink(tab == s->view.tab ? A_REVERSE | A_BOLD : A_NORMAL);
		x += draw(1, x, COLS - x, text) + 1;
	}
	ink(A_NORMAL);
	char text[TOP_FILTER_BYTES + 64];
	snprintf(text, sizeof(text), "%s%s%s%s%s%s", s->view.filter[0] ? "with '" : "",
		s->view.filter, s->view.filter[0] ? "'  " : "", s->view.sort ? "by " : "",
		s->view.sort ? top_columns(s->view.tab)[s->view.sort].head : "",
		s->view.reverse ? " reversed" : "");
	draw_right(1, x, text);
}

static void
draw_foot(const struct screen *s)
{
	const char *keys = s->page
		? "Esc back  up down  p pause  q quit"
		: "t c r l Tab  s sort  f filter  p pause  Enter details  w why  ? help  q quit";
	int y = LINES - 1;
	fill(y, A_DIM);
	if (!s->asking) {
		draw(y, 0, COLS - 1, keys);
		ink(A_NORMAL);
		return;
	}
	fill(y, A_NORMAL);
	int x = draw(y, 0, COLS, "only lines with: ");
	x += draw(y, x, COLS - x, s->view.filter);
	move(y, x < COLS ? x : COLS - 1);
}

static void
draw_all(struct screen *s)
{
	erase();
	draw_title(s);
	if (s->page) {
		draw_page(s);
	} else {
		draw_tabs(s);
		draw_list(s);
	}
	curs_set(s->asking);
	draw_foot(s);
	refresh();
}

/* ---- what is selected ----------------------------------------------------------------------- */

static void
select_row(struct screen *s, size_t at)
{
	s->at = at < s->count ? at : s->count ? s->count - 1 : 0;
	s->id = s->count ? top_id(&s->view, s->rows[s->at]) : 0;
}

/* The rows of the newest look; what was selected is, wherever it stands now. */
static void
take_rows(struct screen *s)
{
	s->view.look = s->source->now;
	free(s->rows);
	s->rows = top_rows(&s->view, &s->count);
	for (size_t i = 0; i < s->count; i++) {
		if (top_id(&s->view, s->rows[i]) == s->id) {
			s->at = i;
			return;
		}
	}
	select_row(s, s->at);
}

static void
show_tab(struct screen *s, int tab)
{
	s->view.tab = tab;
	s->view.sort = s->view.reverse = 0;
	s->page = PAGE_NONE;
	s->at = s->top = 0;
	s->id = 0;
	take_rows(s);
}

/* By the next of the columns that are seen. */
static void
sort_by_next(struct screen *s)
{
	struct layout l;
	size_t next = 0;
	lay_out(s, &l);
	for (size_t i = 0; i + 1 < l.count; i++) {
		if (l.columns[i] == (size_t)s->view.sort)
			next = l.columns[i + 1];
	}
	s->view.sort = (int)next;
	s->view.reverse = 0;
	take_rows(s);
}

static void
go(struct screen *s, long by)
{
	size_t *at = s->page ? &s->page_top : &s->at;
	size_t last = s->page ? s->line_count : s->count ? s->count - 1 : 0;
	size_t step = (size_t)(by < 0 ? -by : by);
	size_t to = by < 0 ? (step > *at ? 0 : *at - step)
			   : (step > last - *at ? last : *at + step);
	if (s->page)
		s->page_top = to;
	else
		select_row(s, to);
}

/* ---- keys ----------------------------------------------------------------------------------- */

/* While a filter is typed; what has been typed counts at once. */
static void
heed_filter(struct screen *s, int key)
{
	size_t length = strlen(s->view.filter);
	if (key == '\n' || key == '\r' || key == KEY_ENTER)
		s->asking = 0;
	else if (key == ESCAPE) {
		s->asking = 0;
		s->view.filter[0] = 0;
	} else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && length)
		s->view.filter[length - 1] = 0;
	else if (key >= ' ' && key < 127 && length + 1 < sizeof(s->view.filter)) {
		s->view.filter[length] = (char)key;
		s->view.filter[length + 1] = 0;
	}
	take_rows(s);
}

static void
open_page(struct screen *s, int page)
{
	s->page = s->page == page ? PAGE_NONE : page;
	s->page_top = 0;
}

/* Keys that lead somewhere. */
static void
heed_move(struct screen *s, int key)
{
	long some = LINES > 8 ? LINES - 6 : 1;
	switch (key) {
	case KEY_UP:
	case 'k':
		go(s, -1);
		break;
	case KEY_DOWN:
	case 'j':
		go(s, 1);
		break;
	case KEY_PPAGE:
		go(s, -some);
		break;
	case KEY_NPAGE:
		go(s, some);
		break;
	case KEY_HOME:
	case 'g':
		go(s, -0x7fffffff);
		break;
	case KEY_END:
	case 'G':
		go(s, 0x7fffffff);
		break;
	default:
		break;
	}
}

/* Keys that change what is shown. */
static void
heed_show(struct screen *s, int key)
{
	static const char tabs[] = "tcrl";
	const char *tab = key > 0 && key < 128 ? strchr(tabs, key) : NULL;
	if (tab)
		show_tab(s, (int)(tab - tabs));
	else if (key == '\t')
		show_tab(s, (s->view.tab + 1) % TOP_TABS);
	else if (key == 's' && !s->page)
		sort_by_next(s);
	else if (key == 'S' && !s->page) {
		s->view.reverse = !s->view.reverse;
		take_rows(s);
	} else if ((key == 'f' || key == '/') && !s->page)
		s->asking = 1;
	else if (key == 'p' || key == ' ')
		s->paused = !s->paused;
	else if (key == '\n' || key == '\r' || key == KEY_ENTER)
		open_page(s, PAGE_INFO);
	else if (key == 'w')
		open_page(s, PAGE_WHY);
	else if (key == '?' || key == 'h')
		open_page(s, PAGE_HELP);
	else if (key == ESCAPE)
		s->page = PAGE_NONE;
	else if (key == 'L' - '@')
		clearok(curscr, TRUE);
	else
		heed_move(s, key);
}

/* All that has been typed, and a new size of the terminal, which comes as a key, too; 1:
 * somebody quits. */
static int
heed_keys(struct screen *s)
{
	for (int key = getch(); key != ERR; key = getch()) {
		s->stale = 1;
		if (s->asking)
			heed_filter(s, key);
		else if (key == 'q')
			return 1;
		else
			heed_show(s, key);
	}
	return 0;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static void
look_now(struct screen *s)
{
	int rc = top_again(s->source);
	s->stale = 1;
	s->failed = rc < 0;
	if (rc == 0)
		take_rows(s);
}

/* Short waits, since a new size of the terminal comes as a signal that ends none of them. */
static int
loop(struct screen *s)
{
	uint64_t every_ns = (uint64_t)s->every_ms * 1000000;
	uint64_t next_ns = weir_now_ns() + (every_ns < 300000000 ? every_ns : 300000000);
	for (;;) {
		uint64_t now_ns = weir_now_ns();
		if (!s->paused && now_ns >= next_ns) {
			look_now(s);
			next_ns = weir_now_ns() + every_ns;
		}
		if (s->stale)
			draw_all(s);
		s->stale = 0;
		now_ns = weir_now_ns();
		uint64_t until_ns = now_ns + (uint64_t)KEY_MS * 1000000;
		if (!s->paused && next_ns < until_ns)
			until_ns = next_ns;
		if (tool_wait(STDIN_FILENO, until_ns) < 0)
			return TOOL_INTERRUPTED;
		if (heed_keys(s))
			return TOOL_YES;
	}
}

static void
choose_colors(void)
{
	if (!tool_color() || !has_colors() || start_color() == ERR)
		return;
	short back = use_default_colors() == ERR ? COLOR_BLACK : -1;
	init_pair(PAIR_WARN, COLOR_YELLOW, back);
	init_pair(PAIR_YIELD, COLOR_MAGENTA, back);
	init_pair(PAIR_ISOLATE, COLOR_RED, back);
	init_pair(PAIR_QUIET, COLOR_CYAN, back);
}

int
top_screen_fits(const char **why)
{
	const char *term = getenv("TERM");
	*why = NULL;
	if (!isatty(STDOUT_FILENO))
		*why = "stdout is not a terminal";
	else if (!isatty(STDIN_FILENO))
		*why = "stdin is not a terminal";
	else if (!term || !*term || !strcmp(term, "dumb"))
		*why = "this terminal cannot be drawn on (TERM)";
	return !*why;
}

int
top_screen(struct top_source *source, const struct top_start *start)
{
	struct screen s = {.source = source,
		.view.tab = start->tab,
		.every_ms = start->every_ms,
		.stale = 1};
	/* Only what characters are: numbers are written the same everywhere. */
	(void)setlocale(LC_CTYPE, "");
	s.view.glyphs = strcmp(nl_langinfo(CODESET), "UTF-8") ? &top_ascii : &top_utf8;
	SCREEN *terminal = newterm(NULL, stdout, stdin);
	if (!terminal) {
		tool_complain("this terminal is not known (TERM); weir top --once prints "
			      "one look");
		return TOOL_NO;
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(25);
	choose_colors();
	take_rows(&s);
	int rc = loop(&s);
	endwin();
	delscreen(terminal);
	drop_page(&s);
	free(s.rows);
	return rc;
}

#else

int
top_screen_fits(const char **why)
{
	*why = "this weir was built without ncurses (libncurses-dev)";
	return 0;
}

int
top_screen(struct top_source *source, const struct top_start *start)
{
	(void)source, (void)start;
	return TOOL_NO;
}

#endif
