# SPDX-License-Identifier: GPL-3.0-or-later
"""A small internet out of network namespaces: hosts, routers and NATs of every kind of RFC 4787.

    with Lab() as lab:
        server = lab.public_host('server')
        home = lab.nat('home', kind='symmetric')
        laptop = lab.host('laptop', behind=home)
        laptop.run(['ping', '-c1', server.addr4])
        lab.move(laptop, to=lab.nat('cafe', kind='port-restricted'))

Every node has its own network, mount and host name namespaces: a fresh /run (so that daemons'
sockets, /var/run/wireguard among them, do not meet), a private /etc (so that nothing can change the
machine's resolver) and its own /sys. A node lives as long as the process that holds it, and that
process dies with ours, so that nothing is left behind, whatever happens. Nothing in here can be
reached from the machine's own network or reaches it: there is no link.

Needs root; lab.skip_reason() says what is missing.
"""

import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get('WEFT_BUILD', TOP / 'build'))

# kind: (RFC 4787 mapping, filtering, what netfilter calls it or None where natd must do it).
NAT_KINDS = {
    'endpoint-independent': ('endpoint', 'endpoint', None),
    'address-restricted': ('endpoint', 'address', None),
    'port-restricted': ('endpoint', 'port', 'masquerade'),
    'symmetric': ('port', 'port', 'masquerade random,fully-random'),
    'udp-blocked': ('endpoint', 'port', 'masquerade'),
}

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """Something in the lab failed; the text has the command and its output."""


def skip_reason():
    """Why a Lab cannot be had here, or None."""
    if os.geteuid() != 0:
        return 'needs root'
    for tool, package in (('ip', 'iproute2'), ('nft', 'nftables'), ('unshare', 'util-linux'),
                          ('nsenter', 'util-linux'), ('sysctl', 'procps')):
        if not shutil.which(tool, path=_path()):
            return f'{tool} is missing (Debian: apt-get install {package})'
    if not os.path.exists('/dev/net/tun'):
        return 'no /dev/net/tun'
    probe = subprocess.run(['unshare', '-n', '-m', '-u', 'true'], capture_output=True, text=True)
    return None if probe.returncode == 0 else f'no namespaces: {probe.stderr.strip()}'


def wait_until(condition, timeout=10, what='condition', interval=0.02):
    """Returns the first true value of condition(); LabError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError(f'{what}: not within {timeout} s')
        time.sleep(interval)


def _path():
    return os.environ.get('PATH', '') + ':/usr/sbin:/sbin'


def _die_with_parent():
    """For preexec_fn. The kernel means the parent *thread*: main thread only."""
    if threading.current_thread() is threading.main_thread():
        return lambda: _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    return None


class Node:
    """A host or router. Attributes: name, pid (of the process that holds the namespaces), root (its
    view of the file system, from outside), addr4 and addr6 (text, of its uplink, or None)."""

    SCRIPT = '''set -e
hostname "$1"
mount -t sysfs sys /sys
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/wireguard /run/netns /run/lock /run/etc/upper /run/etc/work
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work etc /etc 2>/dev/null || {
        cp -a /etc /run/etc/copy
        mount --bind /run/etc/copy /etc
}
rm -f /etc/resolv.conf
: >/etc/resolv.conf
cd /proc/sys/net/ipv6/conf
for f in all/accept_dad default/accept_dad all/accept_ra default/accept_ra; do echo 0 >$f; done
ip link set lo up
echo ready
exec sleep infinity'''

    def __init__(self, lab, name):
        self.lab = lab
        self.name = name
        self.addr4 = self.addr6 = None
        self.gateway4 = self.gateway6 = None
        self.uplink = None  # (parent node, interface at the parent)
        self._processes = []
        self._holder = subprocess.Popen(
            ['unshare', '-n', '-m', '-u', '--propagation', 'private', 'sh', '-c', self.SCRIPT,
             'sh', name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, 'PATH': _path()}, preexec_fn=_die_with_parent())
        self.pid = self._holder.pid
        self.root = Path(f'/proc/{self.pid}/root')
        lab.nodes.append(self)
        if self._holder.stdout.readline() != b'ready\n':
            raise LabError(f'{name}: {self._holder.stderr.read().decode()}')
        self._holder.stdout.close()
        self._holder.stderr.close()
        self.netns = os.readlink(f'/proc/{self.pid}/ns/net')

    def __repr__(self):
        return f'<{type(self).__name__} {self.name} {self.addr4 or "-"} {self.addr6 or "-"}>'

    def command(self, argv, cwd=None):
        """The argument vector that runs `argv` in this node from anywhere."""
        return ['nsenter', '-t', str(self.pid), '-n', '-m', '-u', '-W', str(cwd or os.getcwd()),
                '--', *map(str, argv)]

    def _environment(self, env):
        return {**os.environ, 'PATH': _path(), **(env or {})}

    def run(self, argv, check=True, timeout=30, cwd=None, env=None, **kw):
        """subprocess.run() in this node; text, output captured. A failure is a LabError."""
        kw.setdefault('text', True)
        if 'stdout' not in kw and 'stderr' not in kw:
            kw['capture_output'] = True
        if 'input' not in kw:
            kw.setdefault('stdin', subprocess.DEVNULL)
        done = subprocess.run(self.command(argv, cwd), timeout=timeout, check=False,
                              env=self._environment(env), **kw)
        if check and done.returncode != 0:
            raise LabError(f'{self.name}: {shlex.join(map(str, argv))}: status {done.returncode}\n'
                           f'{done.stdout or ""}{done.stderr or ""}')
        return done

    def popen(self, argv, cwd=None, env=None, **kw):
        """subprocess.Popen() in this node; ended at the end of the lab."""
        kw.setdefault('stdin', subprocess.DEVNULL)
        kw.setdefault('preexec_fn', _die_with_parent())
        process = subprocess.Popen(self.command(argv, cwd), env=self._environment(env), **kw)
        self._processes.append(process)
        return process

    def ip(self, *lines):
        """Runs lines of `ip -batch` in this node."""
        self.run(['ip', '-batch', '-'], input='\n'.join(lines) + '\n')

    def nft(self, text):
        self.run(['nft', '-f', '-'], input=text)

    def sysctl(self, **values):
        """sysctl(**{'net.ipv4.ip_forward': 1})"""
        for key, value in values.items():
            path = '/proc/sys/' + key.replace('.', '/')
            self.run(['sh', '-c', f'echo {shlex.quote(str(value))} >{path}'])

    def ping(self, to, count=1, wait=2):
        """True if an echo came back."""
        return self.run(['ping', '-n', '-c', count, '-W', wait, '-i', 0.2, to],
                        check=False).returncode == 0

    def link(self, up):
        """Plugs or pulls the cable: the carrier of the uplink, at the other end."""
        parent, interface = self.uplink
        parent.ip(f'link set {interface} {"up" if up else "down"}')

    def impair(self, delay_ms=0, loss_percent=0, rate_mbit=0):
        """netem on both ends of the uplink; all zero takes it away. LabError without sch_netem."""
        parent, interface = self.uplink
        for node, name in ((self, self.interface), (parent, interface)):
            node.run(['tc', 'qdisc', 'del', 'dev', name, 'root'], check=False)
            words = []
            if delay_ms:
                words += ['delay', f'{delay_ms}ms']
            if loss_percent:
                words += ['loss', f'{loss_percent}%']
            if rate_mbit:
                words += ['rate', f'{rate_mbit}mbit']
            if words:
                node.run(['tc', 'qdisc', 'add', 'dev', name, 'root', 'netem', *words])

    interface = 'eth0'

    def _stop(self):
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + 3
        for process in self._processes:
            try:
                process.wait(max(0.01, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()


class Host(Node):
    """An end system with one uplink, eth0."""


class Router(Node):
    """Forwards; `attach()` gives a child a link of its own or a place on the LAN."""

    interface = 'wan'

    def __init__(self, lab, name):
        super().__init__(lab, name)
        self.sysctl(**{'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1,
                       'net.ipv4.conf.all.rp_filter': 0, 'net.ipv4.conf.default.rp_filter': 0})
        self._ports = 0

    def _port(self):
        self._ports += 1
        return f'p{self._ports}'


class Internet(Router):
    """The core: each site is a /24 and a /64 of its own behind one hop. The addresses count as global
    ones for every classifier, which documentation and private ranges would not."""

    def _attach(self, child, v4, v6):
        port = self._port()
        site = self.lab._number()
        _veth(child, child.interface, self, port)
        parent, own = [f'link set {port} up'], [f'link set {child.interface} up']
        child.addr4 = child.addr6 = child.gateway4 = child.gateway6 = None
        if v4:
            net = f'44.{128 + site // 256}.{site % 256}'
            child.addr4, child.gateway4 = f'{net}.2', f'{net}.1'
            parent.append(f'addr add {net}.1/24 dev {port}')
            own += [f'addr add {net}.2/24 dev {child.interface}', f'route add default via {net}.1']
        if v6:
            net = f'2a0f:1:0:{site:x}'
            child.addr6, child.gateway6 = f'{net}::2', f'{net}::1'
            parent.append(f'addr add {net}::1/64 dev {port} nodad')
            own += [f'addr add {net}::2/64 dev {child.interface} nodad',
                    f'route add ::/0 via {net}::1']
        self.ip(*parent)
        child.ip(*own)
        child.uplink = (self, port)


class Nat(Router):
    """A home router. kind: a key of NAT_KINDS. addr4: its public address. lan: its inside network
    (text, "/24"). addr6 is set, and hosts get global IPv6 addresses, with v6 'open' or 'firewall'
    (only answers come in); there is no IPv6 by default. hairpin: hosts inside reach each other
    under their public addresses."""

    def __init__(self, lab, name, kind, lan, v6, hairpin):
        super().__init__(lab, name)
        self.kind, self.lan, self.v6, self.hairpin = kind, lan, v6, hairpin
        self.mapping, self.filtering, self._masquerade = NAT_KINDS[kind]
        if hairpin:
            self._masquerade = None
        self._hosts = 1
        self._natd = None
        self._lan6 = None

    def _start(self):
        """After the uplink is there."""
        gateway = self.lan.rsplit('.', 1)[0] + '.1'
        lines = ['link add lan type bridge', f'addr add {gateway}/24 dev lan', 'link set lan up']
        if self.v6:
            site = self.lab._number()
            self._lan6 = f'2a0f:2:{site:x}:1'
            lines.append(f'addr add {self._lan6}::1/64 dev lan nodad')
            self.uplink[0].ip(f'route add 2a0f:2:{site:x}::/48 via {self.addr6}')
        self.ip(*lines)
        self.set_udp(self.kind != 'udp-blocked')
        if self._masquerade is None:
            self._start_natd()

    def _attach(self, child, v4, v6):
        port = self._port()
        _veth(child, child.interface, self, port)
        self._hosts += 1
        self.ip(f'link set {port} master lan up')
        own = [f'link set {child.interface} up']
        child.addr4 = child.addr6 = child.gateway4 = child.gateway6 = None
        if v4:
            net = self.lan.rsplit('.', 1)[0]
            child.addr4, child.gateway4 = f'{net}.{self._hosts}', f'{net}.1'
            own += [f'addr add {child.addr4}/24 dev {child.interface}',
                    f'route add default via {net}.1']
        if v6 and self._lan6:
            child.addr6, child.gateway6 = f'{self._lan6}::{self._hosts:x}', f'{self._lan6}::1'
            own += [f'addr add {child.addr6}/64 dev {child.interface} nodad',
                    f'route add ::/0 via {child.gateway6}']
        child.ip(*own)
        child.uplink = (self, port)

    def set_udp(self, allowed):
        """Lets UDP through or not, in both directions."""
        block = '' if allowed else 'meta l4proto udp drop'
        v6in = 'accept' if self.v6 == 'open' else 'drop'
        # Unasked packets are dropped before conntrack keeps them: they would take the very tuple
        # that the inside needs when it sends to that remote a moment later.
        self.nft(f'''
            table inet lab
            delete table inet lab
            table inet lab {{
                chain raw {{
                    type filter hook prerouting priority raw
                    {'meta nfproto ipv4 meta l4proto udp notrack' if self._masquerade is None else ''}
                }}
                chain input {{
                    type filter hook input priority filter; policy drop
                    iifname != "wan" accept
                    ct state established,related accept
                    meta l4proto {{ icmp, ipv6-icmp }} accept
                }}
                chain forward {{
                    type filter hook forward priority filter; policy drop
                    {block}
                    iifname "lan" accept
                    ct state established,related accept
                    meta l4proto ipv6-icmp accept
                    iifname {{ nat-in, nat-out }} accept
                    oifname {{ nat-in, nat-out }} accept
                    meta nfproto ipv6 {v6in}
                }}
                chain postrouting {{
                    type nat hook postrouting priority srcnat
                    meta nfproto ipv4 oifname "wan" {self._masquerade or 'masquerade'}
                }}
            }}''')

    def _start_natd(self):
        argv = [self.lab._natd_program(), 'nat-in', 'nat-out', self.addr4, self.mapping,
                self.filtering] + (['hairpin'] if self.hairpin else [])
        self._natd = self.popen(argv, stdout=subprocess.PIPE)
        if self._natd.stdout.readline() != b'ready\n':
            raise LabError(f'{self.name}: natd did not start')
        network = self.lan
        self.sysctl(**{'net.ipv4.conf.nat-out.accept_local': 1,
                       'net.ipv4.conf.nat-in.accept_local': 1})
        # The public address is local here: its UDP must be caught before the table `local` is asked.
        self.ip('link set nat-in mtu 65535 up', 'link set nat-out mtu 65535 up',
                'route add default dev nat-in table 101', 'route add default dev nat-out table 102',
                'rule add pref 100 lookup local', 'rule del pref 0',
                f'rule add pref 10 iif lan to {network} lookup local',
                'rule add pref 11 iif lan ipproto udp lookup 101',
                f'rule add pref 12 iif wan to {self.addr4} ipproto udp lookup 102')

    def forget(self):
        """As after a reboot: all mappings are gone."""
        if self._natd:
            self._natd.send_signal(signal.SIGHUP)
        self.run(['conntrack', '-F'], check=False)


def _veth(node, name, parent, port):
    subprocess.run(['ip', 'link', 'add', name, 'netns', str(node.pid), 'type', 'veth', 'peer', 'name',
                    port, 'netns', str(parent.pid)], check=True, env={**os.environ, 'PATH': _path()})


class Lab:
    """Context manager; everything made through it is gone at its end. nodes: all nodes made. tmp: a
    directory for the test's files."""

    def __init__(self):
        self.nodes = []
        self.tmp = None
        self._internet = None
        self._count = 0
        self._names = []

    def __enter__(self):
        self.tmp = Path(tempfile.mkdtemp(prefix='weft-lab-'))
        return self

    def __exit__(self, *_):
        self.close()

    def internet(self):
        """The core router; made at the first call."""
        if self._internet is None:
            self._internet = Internet(self, 'internet')
        return self._internet

    def public_host(self, name, v4=True, v6=True):
        """A host with addresses of its own on the internet; v4=False: IPv6 only."""
        return self.host(name, behind=self.internet(), v4=v4, v6=v6)

    def nat(self, name, kind='port-restricted', behind=None, hairpin=False, lan=None, v6=None):
        """A NAT; behind: another NAT (double NAT). lan: "192.168.7.0/24" when tests want the same
        network in two homes; by default each has its own."""
        if kind not in NAT_KINDS:
            raise ValueError(f'{kind!r} is none of {", ".join(NAT_KINDS)}')
        if v6 not in (None, 'open', 'firewall') or (v6 and behind):
            raise ValueError('v6 is None, "open" or "firewall", the latter not behind a NAT')
        number = self._number()
        nat = Nat(self, name, kind, lan or f'192.168.{number % 256}.0/24', v6, hairpin)
        (behind or self.internet())._attach(nat, True, bool(v6))
        nat._start()
        self._write_names([nat])
        return nat

    def host(self, name, behind=None, v4=True, v6=True):
        """A host on the LAN of `behind` (a Nat) or on the internet. Two hosts behind one NAT share
        its LAN."""
        host = Host(self, name)
        (behind or self.internet())._attach(host, v4, v6)
        self._write_names([host])
        return host

    def move(self, host, to=None, v4=True, v6=True):
        """Takes the host's uplink away and plugs it in elsewhere: new addresses, same interface name."""
        host.ip(f'link del {host.interface}')
        (to or self.internet())._attach(host, v4, v6)

    def resolve(self, name, *addresses):
        """Makes a DNS name known in /etc/hosts of every node, also of later ones."""
        self._names += [f'{address} {name}\n' for address in addresses]
        self._write_names(self.nodes)

    def close(self):
        for node in reversed(self.nodes):
            node._stop()
        # What daemonised itself is found by its namespace.
        for pid in self._inhabitants():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for node in self.nodes:
            if node._holder.poll() is None:
                node._holder.kill()
            node._holder.wait()
            for stream in (node._holder.stdout, node._holder.stderr):
                stream.close()
        self.nodes = []
        self._internet = None
        if self.tmp:
            shutil.rmtree(self.tmp, ignore_errors=True)

    def _inhabitants(self):
        ours = {node.netns for node in self.nodes if hasattr(node, 'netns')}
        for entry in os.listdir('/proc'):
            if entry.isdigit():
                try:
                    if os.readlink(f'/proc/{entry}/ns/net') in ours:
                        yield int(entry)
                except OSError:
                    pass

    def _number(self):
        self._count += 1
        return self._count

    def _write_names(self, nodes):
        text = '127.0.0.1 localhost\n::1 localhost\n' + ''.join(self._names)
        for node in nodes:
            (node.root / 'etc/hosts').write_text(text)

    def _natd_program(self):
        built = BUILD / 'tests/netns/natd'
        if built.exists():
            return built
        program = self.tmp / 'natd'
        if not program.exists():
            source = Path(__file__).with_name('natd.c')
            subprocess.run([os.environ.get('CC', 'cc').split()[-1], '-O2', '-o', program, source],
                           check=True)
        return program
