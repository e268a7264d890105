/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages of the control protocols as JSON: the names of the .proto file, every field, in order.
 */
#pragma once

#include <glib.h>

struct ProtobufCMessage;

/* {"schema": 1, ...fields of @msg...} and a newline. Empty strings and zeros are written too, so
 * that a script need not test for absence; 64-bit numbers are numbers. */
void weft_json_message(GString *out, const struct ProtobufCMessage *msg);

/* The same as one object without "schema" and newline. */
void weft_json_object(GString *out, const struct ProtobufCMessage *msg);
