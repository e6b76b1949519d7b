/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Which file did the operator write, and what does it say? A setting a line,
 *
 *   # what is behind a # is for people
 *   budget = 500
 *   tier_escalation = false
 *
 * in the file that WEIR_CONF names, and there alone; where that names none, in
 * /etc/weir/weir.conf and then in $XDG_CONFIG_HOME/weir/weir.conf (without that variable:
 * $HOME/.config/weir/weir.conf), whose lines win. So one file is for the machine, one for a
 * user, and one for a single run.
 *
 * A file is taken whole, or it is refused: by its name and line, with what would do. That
 * WEIR_CONF names a file which cannot be read is refused too, and so is one in /etc that
 * cannot be; a file that is not there, or a home that is not for us to look into, says
 * nothing. A program with more rights than its caller has reads none that its caller
 * chooses.
 */
#ifndef WR_CONF_FILE_H
#define WR_CONF_FILE_H

#include <stddef.h>

#include "conf/settings.h"

enum { WR_CONF_BYTES_MAX = 16 * 1024 };

/* What a file says that is called path, for people. All of it or, if a line is refused, none:
 * USAGE_INVAL. err may be NULL. Pure. */
int wr_conf_read(struct wr_settings *settings, const char *text, size_t len,
	const char *path, struct weir_error *err);

/* The files as above, whole, or nothing: USAGE_INVAL, or ENV_OS or ENV_FILES with errno. Not while another
 * thread changes the environment. A few system calls. */
int wr_conf_load(struct wr_settings *settings, struct weir_error *err);

#endif
