/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a worker counts. Only the worker writes its cells, by relaxed stores; the control thread
 * reads and adds them up. One table is the source of names, help and order: metrics and
 * docs/metrics/relayd.md come from it. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/* X(field, metric name without the prefix weft_relayd_, label or NULL, value, help) */
#define RELAY_COUNTERS(X)                                                                          \
	X(udp_received, "datagrams_total", "direction", "received",                                \
	  "Datagrams of clients and peers.")                                                       \
	X(udp_sent, "datagrams_total", "direction", "sent", NULL)                                  \
	X(to_peer_packets, "relayed_packets_total", "direction", "to_peer", "Packets relayed.")    \
	X(to_client_packets, "relayed_packets_total", "direction", "to_client", NULL)              \
	X(to_peer_bytes, "relayed_bytes_total", "direction", "to_peer", "Payload bytes relayed.")  \
	X(to_client_bytes, "relayed_bytes_total", "direction", "to_client", NULL)                  \
	X(drop_permission, "dropped_total", "reason", "permission", "Packets not relayed.")        \
	X(drop_channel, "dropped_total", "reason", "channel", NULL)                                \
	X(drop_malformed, "dropped_total", "reason", "malformed", NULL)                            \
	X(drop_allocation, "dropped_total", "reason", "no_allocation", NULL)                       \
	X(drop_bandwidth, "dropped_total", "reason", "bandwidth", NULL)                            \
	X(drop_send, "dropped_total", "reason", "send_error", NULL)                                \
	X(drop_backlog, "dropped_total", "reason", "backlog", NULL)                                \
	X(drop_rate, "dropped_total", "reason", "rate", NULL)                                      \
	X(drop_overflow, "dropped_total", "reason", "socket_overflow", NULL)                       \
	X(req_binding, "requests_total", "method", "binding", "STUN and TURN requests.")           \
	X(req_allocate, "requests_total", "method", "allocate", NULL)                              \
	X(req_refresh, "requests_total", "method", "refresh", NULL)                                \
	X(req_permission, "requests_total", "method", "create_permission", NULL)                   \
	X(req_channel, "requests_total", "method", "channel_bind", NULL)                           \
	X(req_other, "requests_total", "method", "other", NULL)                                    \
	X(err_400, "errors_total", "code", "400", "Error answers.")                                \
	X(err_401, "errors_total", "code", "401", NULL)                                            \
	X(err_403, "errors_total", "code", "403", NULL)                                            \
	X(err_420, "errors_total", "code", "420", NULL)                                            \
	X(err_437, "errors_total", "code", "437", NULL)                                            \
	X(err_438, "errors_total", "code", "438", NULL)                                            \
	X(err_440, "errors_total", "code", "440", NULL)                                            \
	X(err_441, "errors_total", "code", "441", NULL)                                            \
	X(err_442, "errors_total", "code", "442", NULL)                                            \
	X(err_443, "errors_total", "code", "443", NULL)                                            \
	X(err_486, "errors_total", "code", "486", NULL)                                            \
	X(err_500, "errors_total", "code", "500", NULL)                                            \
	X(err_508, "errors_total", "code", "508", NULL)                                            \
	X(allocated, "allocations_created_total", NULL, NULL, "Allocations made.")                 \
	X(expired, "allocations_ended_total", "reason", "expired", "Allocations that ended.")      \
	X(released, "allocations_ended_total", "reason", "released", NULL)                         \
	X(dropped, "allocations_ended_total", "reason", "dropped", NULL)                           \
	X(disconnected, "allocations_ended_total", "reason", "disconnected", NULL)                 \
	X(icmp, "icmp_total", NULL, NULL, "ICMP errors handed to clients.")                        \
	X(streams_accepted, "streams_accepted_total", NULL, NULL, "TCP and TLS connections.")      \
	X(streams_refused, "streams_refused_total", NULL, NULL, "Connections over the limit.")     \
	X(tls_failed, "tls_failures_total", NULL, NULL, "TLS handshakes that failed.")             \
	X(relay_auth_ok, "relay_handshakes_total", "result", "ok",                                 \
	  "Hellos of the relay protocol.")                                                         \
	X(relay_auth_failed, "relay_handshakes_total", "result", "refused", NULL)                  \
	X(relay_messages, "relay_messages_total", NULL, NULL, "Transport messages forwarded.")     \
	X(relay_bytes, "relay_bytes_total", NULL, NULL, "Payload bytes forwarded.")                \
	X(relay_drop_offline, "relay_dropped_total", "reason", "offline", "Messages dropped.")     \
	X(relay_drop_slow, "relay_dropped_total", "reason", "slow_peer", NULL)                     \
	X(relay_drop_malformed, "relay_dropped_total", "reason", "malformed", NULL)

/* Values that go up and down. */
#define RELAY_GAUGES(X)                                                                            \
	X(allocations, "allocations", NULL, NULL, "Allocations that exist.")                       \
	X(streams, "streams", NULL, NULL, "TCP and TLS connections of TURN clients.")              \
	X(relay_peers, "relay_peers", NULL, NULL, "Peers connected by the relay protocol.")        \
	X(relay_connections, "relay_connections", NULL, NULL, "Connections of the relay protocol.")

struct relay_counters {
#define X(field, name, label, value, help) _Atomic uint64_t field;
	RELAY_COUNTERS(X)
	RELAY_GAUGES(X)
#undef X
	_Atomic uint64_t heartbeat; /* turns of the worker's loop */
};

/* Only on the worker's thread. */
static inline void
relay_count(_Atomic uint64_t *cell, uint64_t n)
{
	atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* On any thread. */
static inline uint64_t
relay_counter_read(const _Atomic uint64_t *cell)
{
	return atomic_load_explicit((_Atomic uint64_t *) cell, memory_order_relaxed);
}
