#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""The rules of the house that a compiler does not know.

tidy.py --list          the rules
tidy.py RULE...         checks them; prints each break as file:line: what; exits 1 if any
tidy.py --root DIR ...  in another tree
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIP_DIRS = {".git", "build", "__pycache__"}
C_LIKE = (".c", ".h", ".def", ".pml", ".map", ".cpp", ".hpp")
LIBRARY = ("conf", "bus", "scheduler", "transports", "protocols", "bindings/c")

breaks = []


def broken(path, line, what):
    breaks.append(f"{path}:{line}: {what}")


def files():
    """Every file of the tree, by its path from the root."""
    for top, dirs, names in os.walk(ROOT):
        dirs[:] = sorted(d for d in dirs if d not in SKIP_DIRS)
        for name in sorted(names):
            yield os.path.relpath(os.path.join(top, name), ROOT)


def text_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def lines_of(path):
    return enumerate(text_of(path).split("\n"), 1)


def under(path, *rooms):
    return any(path == r or path.startswith(r + "/") for r in rooms)


# ---- who may include whom ----------------------------------------------------------------

STANDARD = set(
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp "
    "signal stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn "
    "string tgmath threads time uchar wchar wctype".split()
)
ROOMS = ["conf", "bus", "scheduler", "transports", "protocols", "bindings/c"]
# A package has one door; bench meets its peers as they are.
DOORS = {
    "nng/": ("transports/nng", "bench", "tests"),
    "zmq": ("transports/zmq", "bench", "tests"),
    "nats": ("bench", "tests"),
    "ck_": ("bus", "bench", "tests"),
    "jansson": ("bench", "tests"),
    "CUnit/": ("tests",),
    "curses": ("tools",),
    "ncurses": ("tools",),
}
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')


def home_of(path):
    """The row of the table that a file belongs to."""
    for room in ROOMS:
        if under(path, room):
            return room
    return path.split("/")[0]


def check_include(path, n, quoted, angled):
    home = home_of(path)
    if angled:
        for start, doors in DOORS.items():
            if angled.startswith(start) and not under(path, *doors):
                broken(path, n, f"<{angled}> belongs in {' or '.join(doors)}")
        if home == "include" and not angled.startswith("weir/"):
            if angled.removesuffix(".h") not in STANDARD or angled == "stdatomic.h":
                broken(path, n, f"a public header includes <{angled}>")
        return
    if home == "tests" or under(path, "bench/micro"):
        return
    if home == "include":
        broken(path, n, f'a public header includes "{quoted}"')
    elif "/" not in quoted:
        # What the build generates has no room.
        if any(os.path.basename(p) == quoted for p in files()):
            broken(path, n, f'"{quoted}" is written without its room')
    elif home in ROOMS:
        there = home_of(quoted)
        allowed = ROOMS[: ROOMS.index(home) + 1]
        if there not in allowed:
            broken(path, n, f'{home} may not include "{quoted}"')
    elif not under(quoted, home):
        broken(path, n, f'{home} sees <weir/...> only, not "{quoted}"')


def rule_includes():
    """The arrows of include point down."""
    for path in files():
        if not path.endswith((".c", ".h", ".cpp", ".hpp")):
            continue
        for n, line in lines_of(path):
            m = INCLUDE.match(line)
            if m:
                check_include(path, n, m.group(1), m.group(2))


# ---- the others --------------------------------------------------------------------------


def rule_names():
    """Files are named after their noun; a test after the file it tests."""
    known = {os.path.splitext(os.path.basename(p))[0] for p in files()}
    for path in files():
        name = os.path.basename(path)
        if not path.endswith((".c", ".h", ".py", ".sh", ".cmake", ".cpp", ".pml")):
            continue
        if not re.fullmatch(r"[a-z][a-z0-9_]*(-[a-z]+)?\.[a-z]+", name):
            broken(path, 1, "file names are lower case, digits and underscores")
        m = re.fullmatch(r"tests/(\w+)/test_(\w+)\.c", path)
        if m and under("x/" + m.group(1), *("x/" + r for r in ROOMS)):
            room, noun = m.groups()
            # test_log_edges.c may test log.c: the noun is the longest that exists.
            parts = noun.split("_")
            if not any("_".join(parts[:i]) in known for i in range(1, len(parts) + 1)):
                broken(path, 1, f"no file of {room} is called {noun}")
        if name.startswith("test_") and name.endswith(".c"):
            suite = f"wr_suite_{name[5:-2]}"
            if m and suite not in text_of(path):
                broken(path, 1, f"does not define {suite}")
        if path.startswith(tuple(r + "/" for r in ROOMS)) and name.endswith(".c"):
            first = next((INCLUDE.match(l) for _, l in lines_of(path) if INCLUDE.match(l)), None)
            own = path[:-2] + ".h"
            if os.path.exists(os.path.join(ROOT, own)):
                if not first or first.group(1) != own:
                    broken(path, 1, f'its own header "{own}" comes first')


def rule_spdx():
    """Every source says its licence, first."""
    licence = "SPDX-License-Identifier: MIT OR Apache-2.0"
    for path in files():
        name = os.path.basename(path)
        if path.endswith(C_LIKE):
            if not text_of(path).startswith(f"/* {licence} */\n"):
                broken(path, 1, "the first line is not the SPDX line")
        elif path.endswith((".py", ".sh", ".cmake")) or name in ("CMakeLists.txt", "dev", "run"):
            if f"# {licence}" not in text_of(path).split("\n")[:2]:
                broken(path, 1, "the SPDX line is missing")


# Assembled, so that this file does not break its own rule.
STRAY = [
    (re.compile(r"(?<![\w.$}])/(?:" + "wo" + "rk|ho" + r"me/\w+|Us" + "ers|ro" + "ot)/"),
     "a path of some machine"),
    (re.compile(r"\bno" + r"tes/[a-z]+\.md|\b(?:DES" + r"IGN|PROT" + r"OCOL)\.md"),
     "a document that is not here"),
    (re.compile(r"^(?:<{7} |>{7} |={7}$)"), "a merge marker"),
    (re.compile(r"\b(?:FI" + r"XME|XX" + r"X)\b"), "a leftover marker"),
    (re.compile(r"\bTO" + r"DO\b(?!.*[a-z]{3}.* .*)"), "a marker without a reason"),
]


def rule_words():
    """No stray words, no trailing space, a newline at the end."""
    for path in files():
        if path.endswith((".png", ".svg", ".trail")) or path.startswith("LICENSE"):
            continue
        text = text_of(path)
        if "\0" in text:
            if not under(path, "tests/fuzz"):
                broken(path, 1, "is a binary file")
            continue
        for n, line in lines_of(path):
            for pattern, what in STRAY:
                if pattern.search(line):
                    broken(path, n, what)
            if line != line.rstrip() and not under(path, "tests/fuzz"):
                broken(path, n, "space at the end of the line")
        if text and not text.endswith("\n") and not under(path, "tests/fuzz"):
            broken(path, text.count("\n") + 1, "no newline at the end")


ORDER = re.compile(
    r"\bmemory_order_\w+|\b__atomic_\w+|\b__sync_\w+|<stdatomic\.h>"
    r"|\batomic_(?:load|store|exchange|compare|fetch|thread_fence|signal_fence|flag)\w*"
)


def rule_orders():
    """Only bus/atomic.h spells a memory order."""
    for path in files():
        if not under(path, *LIBRARY, "tools", "include") or path == "bus/atomic.h":
            continue
        if not path.endswith((".c", ".h", ".def")):
            continue
        code = re.sub(
            r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), text_of(path), flags=re.S
        )
        for n, line in enumerate(code.split("\n"), 1):
            m = ORDER.search(line)
            if m:
                broken(path, n, f"{m.group()} outside bus/atomic.h")
            if "_Atomic" in line and under(path, "include", "tools"):
                broken(path, n, "an atomic type outside the library")


# A file that is named in passing: `bus/log.c`.
NAMED = re.compile(
    r"`((?:include|conf|bus|scheduler|transports|protocols|bindings|tools|tests|bench"
    r"|examples|docs|cmake)/[\w./-]*\.[a-z]+)`"
)
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")


def anchors(path):
    found = set()
    for _, line in lines_of(path):
        m = re.match(r"#+\s+(.*)", line)
        if m:
            slug = re.sub(r"[^\w\- ]", "", m.group(1).strip().lower()).replace(" ", "-")
            found.add(slug)
    return found


def rule_links():
    """Every link and every file named in the documents is there; ./dev words are commands."""
    usage = re.search(r"^case \$command in\n(.*?)\)", text_of("dev"), re.S | re.M)
    commands = set(re.findall(r"\w+", usage.group(1))) | {"help"}
    for path in files():
        if not path.endswith(".md"):
            continue
        fenced = False
        for n, line in lines_of(path):
            for word in re.findall(r"\./dev ([a-z]+)", line):
                if word not in commands:
                    broken(path, n, f"./dev has no command '{word}'")
            if line.lstrip().startswith("```"):
                fenced = not fenced
            if fenced:
                continue
            for named in NAMED.findall(line):
                if not os.path.exists(os.path.join(ROOT, named)):
                    broken(path, n, f"{named} is not there")
            for target in LINK.findall(re.sub(r"`[^`]*`", "", line)):
                if re.match(r"[a-z]+:", target):
                    continue
                to, _, anchor = target.partition("#")
                whole = os.path.normpath(os.path.join(os.path.dirname(path), to)) if to else path
                if not os.path.exists(os.path.join(ROOT, whole)):
                    broken(path, n, f"{target} leads nowhere")
                elif anchor and whole.endswith(".md") and anchor not in anchors(whole):
                    broken(path, n, f"{whole} has no heading #{anchor}")


LABEL = re.compile(
    r"\bwr_(?:load_acquire|load_relaxed|store_release|store_relaxed|exchange|compare_exchange|fetch_add"
    r"|fetch_sub_acq_rel|fence_sc|fence_release|fence_acquire|fence_light|fence_heavy)"
    r"\(\s*(\w+)"
)


def rule_labels():
    """Every label of an atomic step has its row in docs/memory-order.md, and the reverse."""
    table = "docs/memory-order.md"
    if not os.path.exists(os.path.join(ROOT, table)):
        broken(table, 1, "is not there")
        return
    rows = {}
    for n, line in lines_of(table):
        m = re.match(r"\| `(\w+)` \|", line)
        if m:
            if m.group(1) in rows:
                broken(table, n, f"{m.group(1)} has a row already")
            rows[m.group(1)] = n
    used = {}
    for path in files():
        if under(path, *LIBRARY) and path.endswith((".c", ".h")) and path != "bus/atomic.h":
            text = text_of(path)
            for m in LABEL.finditer(text):
                used.setdefault(m.group(1), (path, text.count("\n", 0, m.start()) + 1))
    for label in sorted(used.keys() - rows.keys()):
        broken(*used[label], f"the label {label} has no row in {table}")
    for label in sorted(rows.keys() - used.keys()):
        broken(table, rows[label], f"no step is labelled {label}")


UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20}


def rule_limits():
    """docs/guarantees.md states every limit of weir.h, with its value; and where it states one
    of another header, the right one."""
    page, header = "docs/guarantees.md", "include/weir/weir.h"
    others = ("include/weir/loop.h", "include/weir/queue.h")
    there, elsewhere = {}, {}
    for path in (page, header):
        if not os.path.exists(os.path.join(ROOT, path)):
            return
    for n, line in lines_of(header):
        m = re.match(r"#define (WEIR_\w+_(?:MAX|DEFAULT|MS|US))\s+\(?(\d+)u?(?: << (\d+))?\)?", line)
        if m:
            there[m[1]] = int(m[2]) << int(m[3] or 0)
    for path in others:
        for n, line in lines_of(path) if os.path.exists(os.path.join(ROOT, path)) else ():
            m = re.match(r"\s+(WEIR_\w+)\s+= (\d+)(?: << (\d+))?,?", line)
            if m:
                elsewhere[m[1]] = int(m[2]) << int(m[3] or 0)
    stated = {}
    for n, line in lines_of(page):
        m = re.match(r"\| `(WEIR_\w+)` \| (\d+) ?(\w*) \|", line)
        if m:
            stated[m[1]] = int(m[2]) * UNITS[m[3]]
            value = there.get(m[1], elsewhere.get(m[1]))
            if stated[m[1]] != value:
                broken(page, n, f"{m[1]} is {value} in the headers")
    for name in sorted(there.keys() - stated.keys()):
        broken(page, 1, f"the limit {name} is not stated")


RULES = {name[5:]: fn for name, fn in list(globals().items()) if name.startswith("rule_")}


def main(args):
    global ROOT
    if args[:1] == ["--list"]:
        print("\n".join(RULES))
        return 0
    if args[:1] == ["--root"]:
        ROOT = os.path.abspath(args[1])
        args = args[2:]
    if not args or any(a not in RULES for a in args):
        print(__doc__, file=sys.stderr)
        return 2
    for name in args:
        RULES[name]()
    for line in breaks:
        print(line)
    return 1 if breaks else 0


sys.exit(main(sys.argv[1:]))
