/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "conf/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSTEM_FILE "/etc/weir/weir.conf"

enum { LINE_MAX_BYTES = 255, PATH_SHOWN = 120 };

/* ---- lines ----------------------------------------------------------------------------------- */

/* A reading that is under way. */
struct reading {
	struct wr_settings settings; /* as they will be, if all goes well */
	const char *path;
	unsigned line;
	unsigned said[WR_SETTINGS]; /* in which line; 0: not yet */
};

/* The end of a path says more than its beginning. */
static const char *
tail_of(const char *path)
{
	size_t len = strlen(path);

	return len > PATH_SHOWN ? path + len - PATH_SHOWN : path;
}

/* The place goes before what was said about it. */
static int
refuse_line(const struct reading *reading, struct weir_error *err)
{
	char text[sizeof(err->text)];

	if (!err)
		return -WEIR_E_USAGE_INVAL;
	memcpy(text, err->text, sizeof(text));
	err->code = WEIR_E_USAGE_INVAL;
	snprintf(err->text, sizeof(err->text), "%s:%u: %.120s", tail_of(reading->path),
		reading->line, text);
	snprintf(err->where, sizeof(err->where), "%s:%u", tail_of(reading->path),
		reading->line);
	return -WEIR_E_USAGE_INVAL;
}

static int
refuse(const struct reading *reading, struct weir_error *err, const char *what)
{
	if (err) {
		*err = (struct weir_error){0};
		snprintf(err->text, sizeof(err->text), "%s", what);
		snprintf(err->hint, sizeof(err->hint),
			"a line is NAME = VALUE, or a # and a "
			"remark");
	}
	return refuse_line(reading, err);
}

/* Without the blanks at its ends. Changes the text. */
static char *
trimmed(char *text)
{
	size_t len;

	text += strspn(text, " \t\r");
	len = strlen(text);
	while (len > 0 && strchr(" \t\r", text[len - 1]))
		len--;
	text[len] = '\0';
	return text;
}

static int
take_setting(struct reading *reading, const char *name, const char *value,
	struct weir_error *err)
{
	int setting = wr_setting_find(name);
	int rc = wr_settings_put(&reading->settings, WR_LAYER_FILE, name, value, err);
	char twice[80];

	if (rc < 0)
		return refuse_line(reading, err);
	if (reading->said[setting] > 0) {
		snprintf(twice, sizeof(twice), "%s stands in line %u already", name,
			reading->said[setting]);
		return refuse(reading, err, twice);
	}
	reading->said[setting] = reading->line;
	if (reading->settings.layers[setting] == WR_LAYER_FILE)
		snprintf(reading->settings.where[setting], WR_SETTING_WHERE, "%s:%u",
			tail_of(reading->path), reading->line);
	return 0;
}

static int
read_line(struct reading *reading, const char *text, size_t len, struct weir_error *err)
{
	char line[LINE_MAX_BYTES + 1];
	char *equals, *remark;

	if (len > LINE_MAX_BYTES)
		return refuse(reading, err, "the line is longer than 255 bytes");
	if (memchr(text, '\0', len))
		return refuse(reading, err, "there is a zero byte in the line");
	memcpy(line, text, len);
	line[len] = '\0';
	remark = strchr(line, '#');
	if (remark)
		*remark = '\0';
	if (*trimmed(line) == '\0')
		return 0;
	equals = strchr(line, '=');
	if (!equals)
		return refuse(reading, err, "there is no = in the line");
	*equals = '\0';
	return take_setting(reading, trimmed(line), trimmed(equals + 1), err);
}

int
wr_conf_read(struct wr_settings *settings, const char *text, size_t len,
	const char *path, struct weir_error *err)
{
	struct reading reading = {.settings = *settings, .path = path};

	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t line = end ? (size_t)(end - text) : len;
		int rc;

		reading.line++;
		rc = read_line(&reading, text, line, err);
		if (rc < 0)
			return rc;
		line += end != NULL;
		text += line;
		len -= line;
	}
	*settings = reading.settings;
	return 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

static int
refuse_file(const char *path, int os, const char *what, struct weir_error *err)
{
	int code = os == 0                     ? WEIR_E_USAGE_INVAL
		: os == EMFILE || os == ENFILE ? WEIR_E_ENV_FILES
					       : WEIR_E_ENV_OS;

	if (err) {
		*err = (struct weir_error){.code = code, .os = os};
		snprintf(err->text, sizeof(err->text), "%.150s: %.90s", tail_of(path),
			what);
		snprintf(err->where, sizeof(err->where), "the file");
		snprintf(err->hint, sizeof(err->hint),
			"make it readable, or name another one by WEIR_CONF (/dev/null: none)");
	}
	return -code;
}

/* True if a file that is not there, or not for us, is as good as an empty one. */
static bool
may_lack(int os, bool strict_place)
{
	return os == ENOENT || os == ENOTDIR || (!strict_place && os == EACCES);
}

static int
read_open(struct wr_settings *settings, int fd, const char *path, struct weir_error *err)
{
	char text[WR_CONF_BYTES_MAX + 1];
	size_t len = 0;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return refuse_file(path, errno, "cannot be looked at", err);
	/* A pipe would be waited for, or look empty. */
	if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
		return refuse_file(path, 0, "is not a file", err);
	while (len < sizeof(text)) {
		ssize_t got = read(fd, text + len, sizeof(text) - len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return refuse_file(path, errno, "cannot be read", err);
		if (got == 0)
			return wr_conf_read(settings, text, len, path, err);
		len += (size_t)got;
	}
	return refuse_file(path, 0, "is larger than 16 KiB", err);
}

/* must: it was named, so it has to be there. */
static int
read_file(struct wr_settings *settings, const char *path, bool must, bool strict,
	struct weir_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int rc;

	if (fd < 0)
		return !must && may_lack(errno, strict)
			? 0
			: refuse_file(path, errno, "cannot be opened", err);
	rc = read_open(settings, fd, path, err);
	close(fd);
	return rc;
}

/* Where a user's own is; false if that is nowhere. */
static bool
users_file(char *path, size_t size)
{
	const char *base = secure_getenv("XDG_CONFIG_HOME");
	const char *home = secure_getenv("HOME");
	int len = 0;

	/* A path that is not absolute does not count, says the standard. */
	if (base && base[0] == '/')
		len = snprintf(path, size, "%s/weir/weir.conf", base);
	else if (home && home[0] == '/')
		len = snprintf(path, size, "%s/.config/weir/weir.conf", home);
	return len > 0 && (size_t)len < size;
}

int
wr_conf_load(struct wr_settings *settings, struct weir_error *err)
{
	const char *named = secure_getenv("WEIR_CONF");
	struct wr_settings all = *settings;
	char path[4096];
	int rc;

	if (named && named[0] != '\0')
		return read_file(settings, named, true, true, err);
	rc = read_file(&all, SYSTEM_FILE, false, true, err);
	if (rc == 0 && users_file(path, sizeof(path)))
		rc = read_file(&all, path, false, false, err);
	if (rc == 0)
		*settings = all;
	return rc;
}
