/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/steward.h"
#include "bus/error.h"
int wr_steward_open(struct wr_node *n,const struct wr_steward_opts *o,struct weir_error *e){(void)n;(void)o;return wr_error_set(e,WEIR_E_ENV_NOSYS,0,"not yet");}
