/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Commands of weft. */
#pragma once

#include <stdbool.h>

#include "base/glib/cli.h"
#include "cli/client.h"
#include "proto/control.pb-c.h"
#include "proto/methods.h"

#define WEFT_CONTROL_METHOD(name) (&weft_proto_methods[WEFT_METHOD_AGENT_##name])

extern const struct weft_cli_program weft_program;

/* Connects to weftd; NULL after an error that is printed. */
WeftClient *weft_connect(WeftCli *cli, int *ret_exit);

int weft_cmd_up(WeftCli *cli, void *user);
int weft_cmd_login(WeftCli *cli, void *user);
int weft_cmd_down(WeftCli *cli, void *user);
int weft_cmd_logout(WeftCli *cli, void *user);
int weft_cmd_status(WeftCli *cli, void *user);
int weft_cmd_peer_list(WeftCli *cli, void *user);
int weft_cmd_peer_show(WeftCli *cli, void *user);
int weft_cmd_config_show(WeftCli *cli, void *user);
int weft_cmd_doctor(WeftCli *cli, void *user);
int weft_cmd_debug_bundle(WeftCli *cli, void *user);
int weft_cmd_version(WeftCli *cli, void *user);

/* The setup key out of the environment; taken there at once. NULL if there is none. */
void weft_take_environment(void);
