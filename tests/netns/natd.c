/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A NAT for tests: translates UDP over IPv4 between two TUN devices, with the mapping and
 * filtering behaviours of RFC 4787 that netfilter does not have. The router's policy rules send
 * packets from the inside to INSIDE and packets for the public address to OUTSIDE; natd writes
 * them translated into the other device.
 *
 *   natd INSIDE OUTSIDE PUBLIC-ADDRESS MAPPING FILTERING [hairpin]
 *
 * MAPPING and FILTERING: endpoint, address or port (endpoint-independent, address-dependent,
 * address-and-port-dependent). SIGHUP forgets all mappings. Prints "ready" when it runs. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum dependence { ENDPOINT, ADDRESS, PORT, DEPENDENCE_COUNT_ };

static const char *const dependence_names[DEPENDENCE_COUNT_] = { "endpoint", "address", "port" };

/* RFC 4787 REQ-5: a mapping must live for two minutes at least. */
#define IDLE_S       125
#define FIRST_PORT   1024
#define PEER_COUNT   64
#define RECENT_COUNT 64
#define BUCKETS      4096
#define PACKET_SIZE  65536

/* Network byte order, as in the packets. */
struct endpoint {
	uint32_t addr;
	uint16_t port;
};

struct mapping {
	struct mapping *next; /* in its bucket */
	struct endpoint inside;
	struct endpoint remote; /* what the mapping depends on; zero where it does not */
	uint16_t public_port;   /* network byte order */
	time_t used_s;
	/* Remotes that the inside has sent to, newest over oldest. */
	struct endpoint peers[PEER_COUNT];
	unsigned peer_count;
};

/* A datagram whose first fragment was translated: the others carry no ports. */
struct fragmented {
	uint8_t before[10]; /* source, destination, identification */
	uint8_t after[8];   /* source, destination */
	bool to_inside;
};

struct nat {
	int inside, outside; /* TUN devices */
	uint32_t public_addr;
	enum dependence mapping, filtering;
	bool hairpin;
	struct mapping *buckets[BUCKETS];
	struct mapping *by_port[65536]; /* index in host byte order */
	struct fragmented recent[RECENT_COUNT];
	unsigned recent_next;
	time_t now_s, swept_s;
};

/* Where the fields lie in one IPv4 packet with UDP. */
struct packet {
	uint8_t *ip;
	uint8_t *udp; /* NULL in a fragment that is not the first */
	size_t len;
	bool more; /* fragments follow */
};

static volatile sig_atomic_t forget;

static void
on_hangup(int number)
{
	(void) number;
	forget = 1;
}

static bool
same(struct endpoint a, struct endpoint b)
{
	return a.addr == b.addr && a.port == b.port;
}

static struct endpoint
endpoint_at(const uint8_t *addr, const uint8_t *port)
{
	struct endpoint e = { 0 };

	memcpy(&e.addr, addr, sizeof e.addr);
	memcpy(&e.port, port, sizeof e.port);
	return e;
}

/* The part of @remote that a behaviour looks at. */
static struct endpoint
reduce(struct endpoint remote, enum dependence by)
{
	if (by != PORT)
		remote.port = 0;
	if (by == ENDPOINT)
		remote.addr = 0;
	return remote;
}

static unsigned
bucket_of(struct endpoint inside, struct endpoint remote)
{
	uint32_t h = inside.addr * 2654435761u ^ inside.port * 40503u;

	h ^= remote.addr * 2246822519u ^ remote.port * 3266489917u;
	return (h ^ h >> 15) % BUCKETS;
}

static void
drop(struct nat *nat, struct mapping **link)
{
	struct mapping *m = *link;

	*link = m->next;
	nat->by_port[ntohs(m->public_port)] = NULL;
	free(m);
}

static void
sweep(struct nat *nat, bool all)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct mapping **link = &nat->buckets[i];

		while (*link != NULL) {
			if (all || nat->now_s - (*link)->used_s > IDLE_S)
				drop(nat, link);
			else
				link = &(*link)->next;
		}
	}
	nat->swept_s = nat->now_s;
}

/* Keeps the inside port where it can (RFC 4787 section 4.2.1) unless mappings depend on the
 * remote: such NATs draw a new port for each. 0 when all ports are taken. */
static uint16_t
choose_port(struct nat *nat, uint16_t wanted)
{
	uint16_t start = 0;

	if (nat->mapping == ENDPOINT && wanted >= FIRST_PORT && nat->by_port[wanted] == NULL)
		return wanted;
	if (getrandom(&start, sizeof start, 0) != sizeof start)
		start = wanted;
	for (unsigned i = 0; i < 65536; i++) {
		uint16_t port = (uint16_t) (start + i);

		if (port >= FIRST_PORT && port != wanted && nat->by_port[port] == NULL)
			return port;
	}
	return 0;
}

static struct mapping *
find_or_add(struct nat *nat, struct endpoint inside, struct endpoint remote)
{
	struct endpoint key = reduce(remote, nat->mapping);
	struct mapping **head = &nat->buckets[bucket_of(inside, key)];
	struct mapping *m;
	uint16_t port;

	for (m = *head; m != NULL; m = m->next) {
		if (same(m->inside, inside) && same(m->remote, key))
			return m;
	}
	port = choose_port(nat, ntohs(inside.port));
	m = port == 0 ? NULL : calloc(1, sizeof *m);
	if (m == NULL)
		return NULL;
	m->inside = inside;
	m->remote = key;
	m->public_port = htons(port);
	m->next = *head;
	*head = m;
	nat->by_port[port] = m;
	return m;
}

static void
note_peer(struct mapping *m, struct endpoint remote)
{
	unsigned known = m->peer_count < PEER_COUNT ? m->peer_count : PEER_COUNT;

	for (unsigned i = 0; i < known; i++) {
		if (same(m->peers[i], remote))
			return;
	}
	m->peers[m->peer_count++ % PEER_COUNT] = remote;
}

static bool
passes(const struct nat *nat, const struct mapping *m, struct endpoint remote)
{
	unsigned known = m->peer_count < PEER_COUNT ? m->peer_count : PEER_COUNT;

	for (unsigned i = 0; i < known; i++) {
		if (same(reduce(m->peers[i], nat->filtering), reduce(remote, nat->filtering)))
			return true;
	}
	return false;
}

/* RFC 1624, equation 3, over @len octets at an even offset. */
static void
adjust(uint8_t *sum, const uint8_t *was, const uint8_t *is, size_t len)
{
	uint32_t s = (uint32_t) (~(sum[0] << 8 | sum[1]) & 0xffff);

	for (size_t i = 0; i < len; i += 2)
		s += (uint32_t) (~(was[i] << 8 | was[i + 1]) & 0xffff) +
		     (uint32_t) (is[i] << 8 | is[i + 1]);
	while (s >> 16 != 0)
		s = (s & 0xffff) + (s >> 16);
	s = ~s & 0xffff;
	sum[0] = (uint8_t) (s >> 8);
	sum[1] = (uint8_t) s;
}

/* Writes @to over the address at @addr and the port at @port and mends both checksums. */
static void
rewrite(struct packet *p, uint8_t *addr, uint8_t *port, struct endpoint to)
{
	uint8_t new_addr[4], new_port[2];
	uint8_t *sum = p->udp + 6;

	memcpy(new_addr, &to.addr, sizeof new_addr);
	memcpy(new_port, &to.port, sizeof new_port);
	adjust(p->ip + 10, addr, new_addr, 4);
	if (sum[0] != 0 || sum[1] != 0) {
		adjust(sum, addr, new_addr, 4);
		adjust(sum, port, new_port, 2);
		if (sum[0] == 0 && sum[1] == 0)
			sum[0] = sum[1] = 0xff;
	}
	memcpy(addr, new_addr, sizeof new_addr);
	memcpy(port, new_port, sizeof new_port);
}

static void
rewrite_source(struct packet *p, struct endpoint to)
{
	rewrite(p, p->ip + 12, p->udp, to);
}

static void
rewrite_destination(struct packet *p, struct endpoint to)
{
	rewrite(p, p->ip + 16, p->udp + 2, to);
}

static bool
parse(struct packet *p, uint8_t *buf, size_t len)
{
	size_t header = len < 20 ? 0 : (size_t) (buf[0] & 15) * 4;
	bool first;

	if (len < 28 || buf[0] >> 4 != 4 || header < 20 || len < header || buf[9] != IPPROTO_UDP)
		return false;
	first = (buf[6] & 0x1f) == 0 && buf[7] == 0;
	if (first && len < header + 8)
		return false;
	*p = (struct packet){ .ip = buf,
			      .udp = first ? buf + header : NULL,
			      .len = len,
			      .more = (buf[6] & 0x20) != 0 };
	return true;
}

static void
fragment_key(const struct packet *p, uint8_t key[10])
{
	memcpy(key, p->ip + 12, 8);
	memcpy(key + 8, p->ip + 4, 2);
}

static bool
translate_fragment(const struct nat *nat, struct packet *p, bool *to_inside)
{
	uint8_t key[10];

	fragment_key(p, key);
	for (unsigned i = 0; i < RECENT_COUNT; i++) {
		const struct fragmented *f = &nat->recent[i];

		if (memcmp(f->before, key, sizeof key) != 0)
			continue;
		adjust(p->ip + 10, p->ip + 12, f->after, sizeof f->after);
		memcpy(p->ip + 12, f->after, sizeof f->after);
		*to_inside = f->to_inside;
		return true;
	}
	return false;
}

/* A packet for the public address, to be handed to the inside. */
static bool
translate_in(struct nat *nat, struct packet *p)
{
	struct endpoint remote = endpoint_at(p->ip + 12, p->udp);
	struct endpoint public = endpoint_at(p->ip + 16, p->udp + 2);
	struct mapping *m = nat->by_port[ntohs(public.port)];

	if (public.addr != nat->public_addr || m == NULL || !passes(nat, m, remote))
		return false;
	/* RFC 4787 REQ-6: only outbound packets refresh a mapping. */
	rewrite_destination(p, m->inside);
	return true;
}

/* A packet from the inside. */
static bool
translate_out(struct nat *nat, struct packet *p)
{
	struct endpoint inside = endpoint_at(p->ip + 12, p->udp);
	struct endpoint remote = endpoint_at(p->ip + 16, p->udp + 2);
	struct mapping *m = find_or_add(nat, inside, remote);

	if (m == NULL)
		return false;
	m->used_s = nat->now_s;
	note_peer(m, remote);
	rewrite_source(p, (struct endpoint){ .addr = nat->public_addr, .port = m->public_port });
	return true;
}

/* Hairpin (RFC 4787 section 6): a neighbour is seen under its public address. */
static bool
translate(struct nat *nat, struct packet *p, bool outbound, bool *to_inside)
{
	*to_inside = !outbound;
	if (outbound && !translate_out(nat, p))
		return false;
	if (outbound && memcmp(p->ip + 16, &nat->public_addr, 4) == 0) {
		if (!nat->hairpin)
			return false;
		*to_inside = true;
	}
	return !*to_inside || translate_in(nat, p);
}

static void
carry(struct nat *nat, int from, bool outbound)
{
	static uint8_t buf[PACKET_SIZE];

	/* Bounded, so that neither direction starves the other. */
	for (unsigned i = 0; i < 256; i++) {
		struct fragmented f = { 0 };
		struct packet p;
		bool to_inside;
		ssize_t n = read(from, buf, sizeof buf);

		if (n <= 0)
			return;
		if (!parse(&p, buf, (size_t) n))
			continue;
		fragment_key(&p, f.before);
		if (p.udp == NULL ? !translate_fragment(nat, &p, &to_inside)
				  : !translate(nat, &p, outbound, &to_inside))
			continue;
		if (p.udp != NULL && p.more) {
			memcpy(f.after, p.ip + 12, sizeof f.after);
			f.to_inside = to_inside;
			nat->recent[nat->recent_next++ % RECENT_COUNT] = f;
		}
		/* A full queue loses the packet, as a router does. */
		(void) !write(to_inside ? nat->inside : nat->outside, p.ip, p.len);
	}
}

static int
open_tun(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	strncpy(request.ifr_name, name, sizeof request.ifr_name - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) {
		fprintf(stderr, "natd: %s: %s\n", name, strerror(errno));
		exit(1);
	}
	return fd;
}

static enum dependence
dependence_of(const char *name)
{
	for (unsigned i = 0; i < DEPENDENCE_COUNT_; i++) {
		if (strcmp(name, dependence_names[i]) == 0)
			return (enum dependence) i;
	}
	fprintf(stderr, "natd: %s: not endpoint, address or port\n", name);
	exit(2);
}

static void
run(struct nat *nat)
{
	struct pollfd fds[] = { { .fd = nat->inside, .events = POLLIN },
				{ .fd = nat->outside, .events = POLLIN } };
	struct timespec now;

	for (;;) {
		if (poll(fds, 2, 10000) < 0 && errno != EINTR)
			exit(1);
		clock_gettime(CLOCK_MONOTONIC, &now);
		nat->now_s = now.tv_sec;
		if (forget || nat->now_s - nat->swept_s > 5)
			sweep(nat, forget);
		forget = 0;
		carry(nat, nat->inside, true);
		carry(nat, nat->outside, false);
	}
}

int
main(int argc, char **argv)
{
	static struct nat nat;

	if (argc < 6 || inet_pton(AF_INET, argv[3], &nat.public_addr) != 1) {
		fprintf(stderr, "usage: natd INSIDE OUTSIDE PUBLIC-ADDRESS MAPPING FILTERING "
				"[hairpin]\n");
		return 2;
	}
	nat.mapping = dependence_of(argv[4]);
	nat.filtering = dependence_of(argv[5]);
	nat.hairpin = argc > 6 && strcmp(argv[6], "hairpin") == 0;
	nat.inside = open_tun(argv[1]);
	nat.outside = open_tun(argv[2]);
	signal(SIGHUP, on_hangup);
	printf("ready\n");
	fflush(stdout);
	run(&nat);
}
