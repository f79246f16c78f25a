#include "term.h"
#include "base/num.h"
#include "objects/time.h"
#include <langinfo.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { MIN_WIDTH = 40, BAR_CELLS = 10 };

typedef struct Row {
	Paint paint;
	char *cells[TABLE_MAX_COLUMNS];
} Row;

struct Table {
	size_t n_columns;
	GPtrArray *rows;
};

static int width_of(int fd)
{
	struct winsize w = { 0 };
	const char *env = g_getenv("COLUMNS");
	if (ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
		return MAX(w.ws_col, MIN_WIDTH);
	int64_t n = env ? g_ascii_strtoll(env, NULL, 10) : 0;
	return n > 0 ? (int)CLAMP(n, MIN_WIDTH, 1000) : 80;
}

Term term_of(FILE *f)
{
	const char *no_color = g_getenv("NO_COLOR");
	bool tty = isatty(fileno(f));
	return (Term){
		.tty = tty,
		.color = tty && !(no_color && *no_color),
		.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
		.width = tty ? width_of(fileno(f)) : 0,
	};
}

static void to_ascii(GString *s)
{
	g_string_replace(s, "…", "...", 0);
	g_autoptr(GString) out = g_string_sized_new(s->len);
	for (const char *p = s->str; *p; p = g_utf8_next_char(p))
		g_string_append_c(out, (unsigned char)*p < 0x80 ? *p : '?');
	g_string_assign(s, out->str);
}

void term_put(const Term *t, FILE *f, GString *text)
{
	if (!t->utf8)
		to_ascii(text);
	fwrite(text->str, 1, text->len, f);
	fflush(f);
	g_string_truncate(text, 0);
}

void paint(GString *s, const Term *t, Paint p, const char *text)
{
	static const char *const codes[] = { [PAINT_NONE] = "",
		[PAINT_RED] = "31",
		[PAINT_YELLOW] = "33",
		[PAINT_GREEN] = "32",
		[PAINT_BOLD] = "1" };
	if (t->color && p != PAINT_NONE)
		g_string_append_printf(s, "\033[%sm%s\033[0m", codes[p], text);
	else
		g_string_append(s, text);
}

char *local_time(int64_t wall_usec, int64_t now_usec)
{
	time_t at = (time_t)(wall_usec / 1000000), now = (time_t)(now_usec / 1000000);
	struct tm a, b;
	char text[64] = "";
	localtime_r(&at, &a);
	localtime_r(&now, &b);
	bool today = a.tm_year == b.tm_year && a.tm_yday == b.tm_yday;
	strftime(text, sizeof text, today ? "%H:%M:%S %Z" : "%a %F %H:%M:%S %Z", &a);
	return g_strdup(text);
}

char *progress_bar(int64_t done, int64_t whole)
{
	char bar[BAR_CELLS + 3];
	int64_t full = whole > 0 ? CLAMP(done * BAR_CELLS / whole, 0, BAR_CELLS) : 0;
	bar[0] = '[';
	memset(bar + 1, '#', (size_t)full);
	memset(bar + 1 + full, '.', (size_t)(BAR_CELLS - full));
	memcpy(bar + 1 + BAR_CELLS, "]", 2);
	return g_strdup(bar);
}

/* ---- tables ---- */

static void row_free(void *p)
{
	Row *r = p;
	for (size_t i = 0; i < TABLE_MAX_COLUMNS; i++)
		g_free(r->cells[i]);
	g_free(r);
}

Table *table_new(size_t n_columns)
{
	g_assert(n_columns > 0 && n_columns <= TABLE_MAX_COLUMNS);
	Table *t = g_new0(Table, 1);
	t->n_columns = n_columns;
	t->rows = g_ptr_array_new_with_free_func(row_free);
	return t;
}

void table_free(Table *t)
{
	if (!t)
		return;
	g_ptr_array_unref(t->rows);
	g_free(t);
}

void table_row(Table *t, Paint p, const char *const *cells)
{
	Row *r = g_new0(Row, 1);
	r->paint = p;
	for (size_t i = 0; i < t->n_columns; i++) {
		r->cells[i] = g_strdup(cells[i] ? cells[i] : "");
		g_strdelimit(r->cells[i], "\n", ' ');
	}
	g_ptr_array_add(t->rows, r);
}

static int length(const char *text)
{
	return (int)g_utf8_strlen(text, -1);
}

static void measure(const Table *t, int *widths)
{
	for (unsigned k = 0; k < t->rows->len; k++) {
		const Row *r = t->rows->pdata[k];
		for (size_t i = 0; i < t->n_columns; i++)
			widths[i] = sl_max(widths[i], length(r->cells[i]));
	}
}

/* The last column takes what is left of the line. */
static void put_last(GString *out, const Term *term, const char *text, int used)
{
	int room = term->width - used;
	if (term->width == 0 || length(text) <= room) {
		g_string_append(out, text);
		return;
	}
	int keep = MAX(room - (term->utf8 ? 1 : 3), 1);
	const char *end = g_utf8_offset_to_pointer(text, sl_min(keep, length(text)));
	g_string_append_len(out, text, end - text);
	g_string_append(out, "…");
}

static void trim_right(GString *out)
{
	while (out->len && out->str[out->len - 1] == ' ')
		g_string_truncate(out, out->len - 1);
}

void table_print(const Table *t, const Term *term, const char *indent, GString *out)
{
	int widths[TABLE_MAX_COLUMNS] = { 0 };
	measure(t, widths);
	for (unsigned k = 0; k < t->rows->len; k++) {
		const Row *r = t->rows->pdata[k];
		int used = length(indent);
		g_string_append(out, indent);
		for (size_t i = 0; i + 1 < t->n_columns; i++) {
			if (widths[i] == 0)
				continue;
			paint(out, term, i == 0 ? r->paint : PAINT_NONE, r->cells[i]);
			g_string_append_printf(out, "%*s", widths[i] - length(r->cells[i]) + 2, "");
			used += widths[i] + 2;
		}
		put_last(out, term, r->cells[t->n_columns - 1], used);
		trim_right(out);
		g_string_append_c(out, '\n');
	}
}
