/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the store into the model, at start. */
#pragma once

#include "mgmtd/model/model.h"
#include "mgmtd/store/store.h"

bool mgmt_loader_load(MgmtStore *store, MgmtModel *model, GError **error);
