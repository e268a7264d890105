#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2046,SC2086,SC2155,SC2231,SC2317 # one-line helpers on names without blanks, called through others
# Proof that official NetBird clients are content with nb_server.py. Needs root, namespaces, nft, jq, openssl, iputils-ping and
#   NBCLIENT=<path of an official netbird client binary>
# Usage: official_clients.sh [KIND_A KIND_B [tls]]    kinds: nat (masquerade) | sym (masquerade, random ports) | pub; default "nat nat"
# Makes namespaces $N-..., prints one PASS or FAIL line per check and cleans up. About 3 minutes.
N=${N:-ofc}; DIR=${DIR:-$(mktemp -d)}; NBCLIENT=${NBCLIENT:?path of the official client}
HERE=$(cd "$(dirname "$0")/.." && pwd); PY=${PY:-/usr/bin/python3}; KA=${1:-nat}; KB=${2:-nat}; TLS=$3; FAILS=0
export PYTHONDONTWRITEBYTECODE=1
ns(){ ip netns exec $N-$1 "${@:2}"; }
clean(){ for p in $DIR/*.pid; do [ -f $p ] && kill $(cat $p) 2>/dev/null; done; sleep 1; for n in hA nA hB nB hC nC inet; do ip netns del $N-$n 2>/dev/null; done; }
trap clean EXIT
side(){ local X=$1 i=$2 k=$3; ip netns add $N-h$X; ns h$X ip link set lo up
  if [ $k = pub ]; then
    ip -n $N-h$X link add eth0 type veth peer name p$X netns $N-inet; ns inet ip link set p$X master br0 up
    ns h$X ip addr add 203.0.113.2$i/24 dev eth0; ns h$X ip link set eth0 up; ns h$X ip route add default via 203.0.113.10; return
  fi
  ip netns add $N-n$X; ns n$X ip link set lo up; ns n$X sysctl -qw net.ipv4.ip_forward=1
  ip -n $N-n$X link add wan type veth peer name p$X netns $N-inet; ns inet ip link set p$X master br0 up
  ns n$X ip addr add 203.0.113.$i/24 dev wan; ns n$X ip link set wan up; ns n$X ip route add default via 203.0.113.10
  ns n$X ip link add lan type bridge; ns n$X ip addr add 10.$i.0.1/24 dev lan; ns n$X ip link set lan up
  ip -n $N-h$X link add eth0 type veth peer name lan0 netns $N-n$X; ns n$X ip link set lan0 master lan up
  ns h$X ip addr add 10.$i.0.2/24 dev eth0; ns h$X ip link set eth0 up; ns h$X ip route add default via 10.$i.0.1
  ns n$X nft -f - <<E
table ip nat {
  chain post {
    type nat hook postrouting priority srcnat
    oifname "wan" masquerade $([ $k = sym ] && echo random,fully-random)
  }
}
table ip filter {
  chain input {
    type filter hook input priority 0
    iifname "wan" ct state established,related accept
    iifname "wan" drop
  }
  chain forw {
    type filter hook forward priority 0
    iifname "wan" ct state established,related accept
    iifname "wan" drop
  }
}
E
}
ip netns add $N-inet; ns inet ip link set lo up; ns inet ip link add br0 type bridge; ns inet ip link set br0 up; ns inet ip addr add 203.0.113.10/24 dev br0; ns inet ip route add default dev br0
side A 1 $KA; side B 2 $KB; side C 3 pub
URL=http://203.0.113.10:33073; CA=/etc/ssl/certs/ca-certificates.crt; OPT=
if [ "$TLS" = tls ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout $DIR/key.pem -out $DIR/cert.pem -days 2 -subj /CN=test -addext subjectAltName=IP:203.0.113.10 2>/dev/null
  URL=https://203.0.113.10:33073; CA=$DIR/cert.pem; OPT="--tls-cert $DIR/cert.pem --tls-key $DIR/key.pem"
fi
ip netns exec $N-inet $PY $HERE/nb_server.py --listen-ip 203.0.113.10 --state $DIR/st --control $DIR/ctl $OPT > $DIR/srv.log 2> $DIR/srv.err & echo $! > $DIR/srv.pid
for t in $(seq 100); do grep -q '"ready"' $DIR/srv.log && break; sleep .1; done
KEY=$(grep '"ready"' $DIR/srv.log | jq -r .setup_keys.reusable)
ctl(){ $PY $HERE/nb_server.py --ctl $DIR/ctl "$@"; }
daemon(){ local X=$1; mkdir -p $DIR/nb$X
  ip netns exec $N-h$X env SSL_CERT_FILE=$CA NB_STATE_DIR=$DIR/nb$X $NBCLIENT service run --daemon-addr unix://$DIR/nb$X.sock --log-file $DIR/nb$X.log --log-level info > $DIR/nb$X.out 2>&1 & echo $! > $DIR/nb$X.pid
  for t in $(seq 50); do [ -S $DIR/nb$X.sock ] && break; sleep .1; done; }
nb(){ ns h$1 env SSL_CERT_FILE=$CA NB_STATE_DIR=$DIR/nb$1 $NBCLIENT --daemon-addr unix://$DIR/nb$1.sock "${@:2}"; }
st(){ nb $1 status -j 2>/dev/null | jq -r "$2"; }
ipof(){ st $1 .netbirdIp | cut -d/ -f1; }
until_(){ local end=$((SECONDS+$1)); shift; while ! "$@" >/dev/null 2>&1; do [ $SECONDS -ge $end ] && return 1; sleep .2; done; }
ok(){ local d=$1 t=$(date +%s%3N); shift; if "$@" >/dev/null 2>&1; then echo "PASS $d ($(( $(date +%s%3N)-t )) ms)"; else echo "FAIL $d"; FAILS=$((FAILS+1)); fi; }
png(){ ns h$1 ping -c1 -W1 $2; }
nopng(){ ! ns h$1 ping -c1 -W1 $2; }
has(){ [ "$(st $1 "$2")" = "$3" ]; }
all_up(){ ctl peers | jq -e 'map(select(.virtual|not))|all(.connected and .signal and .relay)'; }
tcp(){ ns h$1 $PY -c "import socket; s=socket.socket(); s.settimeout(2); s.connect(('$2',$3))"; }
notcp(){ ! tcp "$@"; }
up(){ nb $1 up --management-url $URL --setup-key $KEY --hostname host$1 | grep Connected; }
daemon A; daemon B; daemon C
ok "A joins" up A; ok "B joins" up B
A=$(ipof A); B=$(ipof B)
ok "ping A -> B" until_ 30 png A $B
if [ $KA = sym ] && [ $KB = sym ]; then ok "path is Relayed" until_ 15 has A '.peers.details[0].connectionType' Relayed; ok "peer is Connected" has A '.peers.details[0].status' Connected
else ok "path is P2P" until_ 15 has A '.peers.details[0].connectionType' P2P; ok "peer is Connected" has A '.peers.details[0].status' Connected; fi
ok "management, signal, relay and STUN fine at A" has A '[.management.connected,.signal.connected,all(.relays.details[];.available)]|tostring' '[true,true,true]'
ok "no packet lost in 40" bash -c "ip netns exec $N-hA ping -c40 -i0.05 $B | grep ' 0% packet loss'"
ok "name of B resolves to its address in A's map" bash -c "$PY $HERE/nb_server.py --ctl $DIR/ctl map peer=hosta | grep -A4 'hostb.netbird.selfhosted' | grep -q $B"
ok "C joins" up C; C=$(ipof C)
ok "A sees C" until_ 5 has A .peers.total 2; ok "ping A -> C" until_ 30 png A $C; ok "ping C -> B" until_ 30 png C $B
ctl remove_peer peer=hostc
ok "A loses the removed C" until_ 5 has A .peers.total 1; ok "no ping A -> C" nopng A $C; ok "C needs login" until_ 15 has C .daemonStatus NeedsLogin
for s in stun management signal; do
  ns hA ping -i 0.1 -w 15 $B > $DIR/ping & P=$!
  ctl service name=$s action=restart down=3
  [ $s = management ] && sleep 1
  ok "restart of $s: all streams back" until_ 30 all_up; wait $P
  ok "restart of $s: no packet lost" grep -q ' 0% packet loss' $DIR/ping
done
ctl service name=relay action=restart down=3; ok "restart of relay: all back" until_ 40 all_up; ok "restart of relay: ping" until_ 40 png A $B
ns hA $PY -c "
import socket,time
L=[]
for p in (22,23):
  s=socket.socket(); s.setsockopt(1,2,1); s.bind(('$A',p)); s.listen(); L.append(s)
time.sleep(60)" & LP=$!
ctl rules_set '{"peer":"hosta","rules":[{"remote":"hostb","protocol":"tcp","port":"22"}]}'
ok "only tcp/22 allowed: ping B -> A stops" until_ 5 nopng B $A; ok "only tcp/22 allowed: tcp/22 open" tcp B $A 22; ok "only tcp/22 allowed: tcp/23 closed" notcp B $A 23
ctl rules_set '{"peer":"hosta","rules":[],"empty_flag":false}'; ok "empty list without flag = allow all" until_ 5 png B $A
ctl rules_set '{"peer":"hosta","rules":[],"empty_flag":true}'; ok "empty list with flag = deny" until_ 5 nopng B $A
ctl rules_clear peer=hosta; ok "computed rules again: ping" until_ 5 png B $A; kill $LP
ctl set relay_ttl=6 > /dev/null; for p in hosta hostb; do ctl drop_stream peer=$p; done; sleep 12
ok "tokens are refreshed" bash -c "grep config_push $DIR/srv.log | grep -q hosta"
ctl service name=relay action=restart down=1; ok "relay admits refreshed tokens" until_ 40 all_up; ctl set relay_ttl=43200 > /dev/null
ctl rotate_relay_token secret=another; sleep 1; ctl service name=relay action=restart down=1; ok "changed relay secret" until_ 40 all_up
ctl refuse_login code=14 count=3; ctl connection service=management how=rst > /dev/null; ok "three refusals with 14 are survived" until_ 40 all_up; ctl clear_faults
ctl fault '{"method":"Sync","code":7,"count":1,"peer":"hostb"}'; ctl refuse_login code=7 peer=hostb; ctl drop_stream peer=hostb
ok "refusal with 7: B needs login" until_ 20 has B .daemonStatus NeedsLogin; ctl clear_faults
nb B up > /dev/null; ok "B is back" until_ 40 png A $B
ctl expire_login peer=hostb; ok "expired login: B needs login" until_ 20 has B .daemonStatus NeedsLogin
ok "expired login: B is offline at A" bash -c "$PY $HERE/nb_server.py --ctl $DIR/ctl map peer=hosta | jq -e '.NetworkMap|(.remotePeers|not) and (.offlinePeers|length==1)'"
ctl renew_login '{"peer":"hostb","sso":false}'; nb B up > /dev/null; ok "renewed login: ping" until_ 40 png A $B
ctl connection service=management how=hold peer=hosta > /dev/null
ok "half-open management connection: A opens a new stream within 60 s" until_ 60 bash -c "[ \$(ip netns exec $N-inet $PY $HERE/nb_server.py --ctl $DIR/ctl streams | jq '[.management.connections[]|select(.addr|startswith(\"203.0.113.1:\"))|select(.held|not)]|length') -ge 1 ]"
[ -s $DIR/srv.err ] && { echo "FAIL server complained"; head -5 $DIR/srv.err; FAILS=$((FAILS+1)); }
echo "$FAILS failures, files in $DIR"
exit $((FAILS > 0))
