#include "web/web-private.h"
#include <string.h>
#include <sys/socket.h>

enum { BLOCK_BYTES = 16 << 10 };

struct WebStream {
	Web *web;
	struct MHD_Connection *conn;
	GString *out; /* not taken by the server yet */
	bool suspended, ended, dropped, quiet;
	WebClosed *closed;
	void *ud;
};

static ssize_t on_read(void *ud, uint64_t pos, char *buf, size_t max)
{
	WebStream *s = ud;
	if (s->dropped)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (s->out->len > 0) {
		size_t n = MIN(max, s->out->len);
		memcpy(buf, s->out->str, n);
		g_string_erase(s->out, 0, (gssize)n);
		return (ssize_t)n;
	}
	if (s->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	MHD_suspend_connection(s->conn);
	s->suspended = true;
	return 0;
}

static void on_gone(void *ud)
{
	WebStream *s = ud;
	g_ptr_array_remove(s->web->streams, s);
	if (s->closed)
		s->closed(s, s->ud);
	g_string_free(s->out, TRUE);
	g_free(s);
}

WebStream *web_stream(WebRequest *r, WebClosed *closed, void *ud)
{
	WebStream *s = g_new0(WebStream, 1);
	s->web = r->web;
	s->conn = r->conn;
	s->out = g_string_new("");
	s->closed = closed;
	s->ud = ud;
	struct MHD_Response *response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, BLOCK_BYTES, on_read, s, on_gone);
	g_assert(response);
	MHD_add_response_header(response, "Content-Type", "text/event-stream");
	web_take_response(r, MHD_HTTP_OK, response);
	g_ptr_array_add(s->web->streams, s);
	return s;
}

static void wake(WebStream *s)
{
	if (s->suspended)
		MHD_resume_connection(s->conn);
	s->suspended = false;
	web_schedule(s->web);
}

/* The server would wait for the client until its timeout; an end of the socket it notices at once.
 */
static void drop(WebStream *s)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(s->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info)
		shutdown(info->connect_fd, SHUT_RDWR);
	s->dropped = true;
	g_string_truncate(s->out, 0);
}

static void put(WebStream *s, const char *text)
{
	if (s->dropped || s->ended)
		return;
	g_string_append(s->out, text);
	if (s->out->len > WEB_STREAM_MAX_BYTES)
		drop(s);
	wake(s);
}

void web_stream_push(WebStream *s, const char *id, const char *event, const char *data)
{
	g_autoptr(GString) text = g_string_new("");
	if (id)
		g_string_append_printf(text, "id: %s\n", id);
	if (event)
		g_string_append_printf(text, "event: %s\n", event);
	g_auto(GStrv) lines = g_strsplit(data, "\n", -1);
	for (char **l = lines; *l; l++)
		g_string_append_printf(text, "data: %s\n", *l);
	g_string_append_c(text, '\n');
	s->quiet = false;
	put(s, text->str);
}

void web_stream_end(WebStream *s)
{
	s->ended = true;
	wake(s);
}

void web_streams_end(Web *w)
{
	for (guint i = 0; i < w->streams->len; i++)
		web_stream_end(g_ptr_array_index(w->streams, i));
}

void web_streams_beat(Web *w)
{
	for (guint i = 0; i < w->streams->len; i++) {
		WebStream *s = g_ptr_array_index(w->streams, i);
		if (s->quiet)
			put(s, ":\n\n");
		s->quiet = true;
	}
}
