# SPDX-License-Identifier: GPL-3.0-or-later
"""nftables/ in a namespace of its own against `nft -f` of the same table, in the same run."""
import statistics
import subprocess
import time

from lab import BUILD, Lab


def addresses(count, first=0):
    return [f'100.{64 + i // 65536}.{i // 256 % 256}.{i % 256}' for i in range(first, first + count)]


def policy(i):
    return f'd1abcdefghijklmn{i % 20:04d}'


def exact_rules(count):
    """Four ports of each of count / 4 peers, twenty policies."""
    return [f'in accept {address}/32 6 {1000 + port} {policy(i)}'
            for i, address in enumerate(addresses(count // 4)) for port in range(4)]


class Tool:
    def __init__(self, host):
        program = BUILD / 'tests/bench/kernel/nft-tool'
        self._process = host.popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   text=True, bufsize=1)
        self._tmp = host.lab.tmp
        self._files = {}

    def ask(self, command):
        self._process.stdin.write(command + '\n')
        self._process.stdin.flush()
        answer = self._process.stdout.readline().split()
        if answer[0] != 'ok':
            raise RuntimeError(' '.join(answer))
        return dict(word.split('=') for word in answer[1:] if '=' in word)

    def apply(self, name, rules=None):
        """Milliseconds from rule values to the kernel's answer."""
        if rules is not None:
            self._files[name] = self._tmp / name
            self._files[name].write_text('\n'.join(rules) + '\n')
        numbers = self.ask(f'apply {self._files[name]}')
        return (int(numbers['compile_us']) + int(numbers['apply_us'])) / 1000


def timed(function):
    start = time.monotonic()
    function()
    return (time.monotonic() - start) * 1000


def table_of(host, path):
    """What nft lists, as a file that nft loads: the equal ruleset."""
    listed = host.run(['nft', 'list', 'table', 'inet', 'weft']).stdout
    path.write_text(listed)


def element_file(path, verb, count):
    elements = ',\n'.join(
        f'{address} . tcp . {1000 + port}' + (f' : "p_{policy(i)}"' if verb == 'add' else '')
        for i, address in enumerate(addresses(count // 4)) for port in range(4))
    path.write_text(f'{verb} element inet weft in4_accept_host_port {{ {elements} }}\n')


def whole_tables(bench, host, tool, count):
    """The whole table in one transaction, from nothing."""
    label = f'{count // 1000}k'
    file = host.lab.tmp / f'table-{label}'
    tool.apply('empty', [])
    tool.apply(label, exact_rules(count))
    table_of(host, file)

    def remove_and(function):
        tool.ask('remove')
        return function()

    bench.compare(f'table-{label}-exact', 'ms', lambda: remove_and(lambda: tool.apply(label)),
                  'nft -f', lambda: remove_and(
                      lambda: timed(lambda: host.run(['nft', '-f', file], timeout=300))))


def add_and_remove(bench, host, tool, count):
    """Elements come to and go from a table that is there."""
    label = f'{count // 1000}k'
    add, delete = host.lab.tmp / 'add', host.lab.tmp / 'delete'
    element_file(add, 'add', count)
    element_file(delete, 'delete', count)
    # The counters that the elements name stay: one element each is never removed.
    kept = [f'in accept 10.9.0.{i}/32 6 1 {policy(i)}' for i in range(20)]
    tool.ask('remove')
    tool.apply('kept', kept)
    tool.apply('all', kept + exact_rules(count))
    tool.apply('kept')
    times = {'add': ([], []), 'remove': ([], [])}
    for i in range(bench.rounds + 1):
        sides = [lambda: (tool.apply('all'), tool.apply('kept')),
                 lambda: tuple(timed(lambda f=f: host.run(['nft', '-f', f], timeout=300))
                               for f in (add, delete))]
        for side in ((0, 1) if i % 2 == 0 else (1, 0)):
            if side == 0:
                tool.ask('verify')  # nft's changes are not to be read back within the measured time
            a, b = sides[side]()
            if i > 0 or bench.smoke:
                times['add'][side].append(a)
                times['remove'][side].append(b)
    for what, (ours, theirs) in times.items():
        bench.figure(f'{what}-{label}-exact', statistics.median(ours), 'ms', 'nft -f',
                     statistics.median(theirs))


def single_rules(bench, host, tool, count):
    """What others do with the same policy: a rule for each tuple."""
    label = f'{count // 1000}k'
    file = host.lab.tmp / 'single'
    rules = [f'ip saddr {address} tcp dport {1000 + port} counter accept'
             for address in addresses(count // 4) for port in range(4)]
    file.write_text('table inet single {\nchain c {\n' + '\n'.join(rules) + '\n}\n}\n')

    def load():
        host.run(['nft', 'delete', 'table', 'inet', 'single'], check=False)
        return timed(lambda: host.run(['nft', '-f', file], timeout=300))

    def ours():
        tool.ask('remove')
        return tool.apply('exact')

    tool.apply('exact', exact_rules(count))
    bench.compare(f'table-{label}-against-single-rules', 'ms', ours, 'nft -f, a rule each', load)
    sample = 20 if bench.smoke else 200
    host.nft('table inet single { chain one { }; }')
    start = time.monotonic()
    for rule in rules[:sample]:
        host.run(['nft', 'add', 'rule', 'inet', 'single', 'one', rule])
    one_by_one = (time.monotonic() - start) * 1000 / sample * count
    bench.figure(f'table-{label}-against-rules-one-by-one', statistics.median(
        ours() for _ in range(bench.rounds)), 'ms', f'nft add rule, {sample} measured', one_by_one)
    host.run(['nft', 'delete', 'table', 'inet', 'single'])


def our_own(bench, tool):
    """Figures without a peer."""
    scale = 10 if bench.smoke else 1
    sizes = (('exact', 100000, exact_rules(100000 // scale)),
             ('one-peer-rules', 20000, [f'in accept {a}/32 6 443 {policy(i)}'
                                        for i, a in enumerate(addresses(20000 // scale))]),
             ('interval', 10000, [f'in accept {a}/32 6 8000-9000 {policy(i)}'
                                  for i, a in enumerate(addresses(10000 // scale))]))
    for name, count, rules in sizes:
        tool.apply(name, rules)

        def once(name=name):
            tool.ask('remove')
            return tool.apply(name)

        bench.measure(f'table-{count // 1000}k-{name}-alone', 'ms', once)
    tool.ask('remove')


def run(bench):
    count = 1000 if bench.smoke else 10000
    with Lab() as lab:
        host = lab.public_host('bench')
        tool = Tool(host)
        whole_tables(bench, host, tool, count)
        add_and_remove(bench, host, tool, count)
        single_rules(bench, host, tool, count)
        our_own(bench, tool)
