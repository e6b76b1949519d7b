# SPDX-License-Identifier: MIT OR Apache-2.0
"""plain.py WEIR CASE: what the command answers without any bus."""
import json
import os
import re
import shutil
import subprocess

from harness import WEIR, check, equal, main, text

VERBS = ("pub", "sub", "ls", "topic info", "topic account", "topic lag", "topic echo", "topic hz", "topic bw",
         "topic delay", "top", "consumer info", "reactor simulate", "reactor round", "clean", "demo", "bench", "conf", "errors", "explain", "version", "help")


def usage(b):
    """Exit 2, one line that says what is wrong, and the nearest word where there is one."""
    for args, part in (
            (["pubb", "x"], "did you mean 'pub'"),
            (["topic"], "needs one of info, account, lag, echo, hz, bw, delay"),
            (["topic", "zz", "x"], "needs one of"),
            (["pub"], "needs a topic"),
            (["pub", "a", "b", "c"], "quote it"),
            (["pub", "a", "b", "-n", "x"], "is not a whole number"),
            (["pub", "a", "b", "-r", "nan"], "is not a number"),
            (["pub", "a", "b", "-r", "-1"], "is not a number"),
            (["pub", "a", "b", "--wait-sub", "1"], "did you mean --wait-subs"),
            (["pub", "a", "b", "--timeout", "5 years"], "is not a time"),
            (["pub", "a", "b", "--max-message", "5x"], "is not a size"),
            (["pub", "a", "-n"], "needs a whole number"),
            (["pub", "a", "-Z"], "unknown option '-Z'"),
            (["sub"], "needs a topic"),
            (["sub", "a", "--from", "some"], "is not new, oldest, last:N"),
            (["sub", "a", "--from", "last:"], "is not new, oldest, last:N"),
            (["sub", "a", "--from", "0xg:1"], "is not new, oldest, last:N"),
            (["sub", "a", "--from", "1:-1"], "is not new, oldest, last:N"),
            (["sub", "a", "--policy", "wait"], "drop-oldest|latest|disconnect|block"),
            (["sub", "a", "--key", "0:9", "--policy", "latest"], "is not OFFSET:SIZE"),
            (["sub", "a", "--key", "0", "--policy", "latest"], "is not OFFSET:SIZE"),
            (["sub", "a", "--key", "0:4"], "--key needs --policy latest"),
            (["sub", "a", "--stall", "0"], "or none"),
            (["sub", "a", "--stall", "5s"], "or none"),
            (["pub", "a", "b", "--stall", "none"], "is not a time such as 500us"),
            (["topic", "account"], "takes one topic"),
            (["topic", "lag"], "takes one topic"),
            (["topic", "lag", "a", "-n", "2"], "--every"),
            (["ls", "a", "b"], "takes one pattern"),
            (["top", "a", "b"], "takes one bus"),
            (["top", "--tab", "x"], "all|topics|consumers|reactors|latency"),
            (["ls", "--color", "red"], "auto|never|always"),
            (["consumer", "info"], "takes a bus"),
            (["ls", "-o", "yaml"], "table|json|jsonl"),
            (["ls", "--quiet=1"], "takes no value"),
            (["topic", "hz"], "takes one topic"),
            (["clean", "x"], "takes no 'x'"),
            (["demo", "x"], "takes no 'x'"),
            (["demo", "--file", "a", "--stdin"], "not both"),
            (["explain"], "takes one code"),
            (["conf", "a", "b"], "takes one file"),
            (["bench", "../x"], "not the name of a benchmark"),
            (["--bsu", "x", "ls"], "did you mean --bus"),
    ):
        code, out, err = b.run(*args)
        equal(code, 2, f"exit of {args}, {err!r}")
        equal(out, "", f"stdout of {args}")
        check(part in err, args, "lacks", repr(part), "in", repr(err))
        check(err.startswith("weir: "), args, repr(err))
    equal(b.run()[0], 2, "exit without a verb")


def helps(b):
    """Every verb has help, from both sides, and none is wider than a terminal."""
    code, listing, _ = b.run("help")
    equal(code, 0, "exit of help")
    for verb in VERBS:
        check(re.search(rf"^  {verb} ", listing, re.M), "help does not list", verb)
        code, out, _ = b.run(*verb.split(), "--help")
        equal(code, 0, f"{verb} --help")
        check(out.startswith(f"weir {verb} "), verb, repr(out))
        equal(b.run("help", *verb.split())[1], out, f"help {verb}")
        for line in out.splitlines():
            check(len(line) <= 88, verb, "is too wide:", line)
    check("_demo" not in listing, "hidden verbs are listed")
    code, out, _ = b.run("help", "gate")
    check(code == 0 and "cursors" in out, "a word of the house:", repr(out))
    code, out, _ = b.run("help", "AGAIN_FULL")
    check(code == 0 and "no room" in out, "an error:", repr(out))
    equal(b.run("help", "nonsense")[0], 3, "help nonsense")
    code, out, _ = b.run("help", "topic")
    check(code == 0 and "weir topic hz PATTERN" in out, "a noun:", repr(out))


def errors(b):
    """The table is err.def, whole, and explain finds each in every spelling."""
    path = os.path.join(os.path.dirname(__file__), "../../include/weir/err.def")
    with open(path, encoding="utf-8") as f:
        rows = re.findall(r'^WEIR_ERR\((\w+), (\d+), (\w+), (\d+), "([^"]*)", "([^"]*)"\)',
                          f.read(), re.M)
    check(len(rows) > 30, "err.def was not understood")
    got = b.json("errors")["errors"]
    want = [{"code": int(n), "name": name, "family": fam, "exit": int(code), "text": what,
             "hint": hint} for name, n, fam, code, what, hint in rows]
    equal(got, want, "weir errors -o json")
    table = b.run("errors")[1]
    each = [json.loads(line) for line in b.run("errors", "-o", "jsonl")[1].splitlines()]
    equal(each, want, "weir errors -o jsonl")
    for row in want:
        check(row["name"] in table and row["text"] in table, row["name"], "not in the table")
    for row in want[::7]:
        name, number = row["name"], row["code"]
        for word in (name, name.lower(), "WEIR_E_" + name, "-WEIR_E_" + name, str(number)):
            equal(b.json("explain", "--", word), row, f"explain {word}")
        equal(b.json("explain", f"-{number}"), row, f"explain -{number}")
        out = b.run("explain", name)[1]
        check(row["text"] in out and row["hint"] in out, name, repr(out))
    code, _, err = b.run("explain", "AGAIN_FUL")
    check(code == 3 and "AGAIN_FULL" in err, "nearest:", code, err)
    for word in ("0", "99999", "200", "", "2O1"):
        equal(b.run("explain", word)[0], 3, f"explain {word!r}")


def version(b):
    code, out, _ = b.run("version")
    check(code == 0 and re.fullmatch(r"weir \d+\.\d+\.\d+\n", out), repr(out))
    code, out, _ = b.run("version", "--build")
    check(code == 0 and len(out.splitlines()) >= 2, repr(out))
    both = b.json("version")
    equal(sorted(both), ["build", "version"], "version -o json")
    equal(f"weir {both['version']}", out.splitlines()[0], "version")


def bench(b):
    """Benchmarks are found beside the command, wherever it lies, and get their arguments."""
    prefix = b.path("prefix")
    os.makedirs(f"{prefix}/bin")
    shutil.copy(WEIR, f"{prefix}/bin/weir")
    lib = os.path.join(os.path.dirname(WEIR), "../lib")

    def run(*args):
        p = subprocess.run([f"{prefix}/bin/weir", "bench", *args], capture_output=True,
                           env=dict(b.env, LD_LIBRARY_PATH=lib), check=False)
        return p.returncode, text(p.stdout), text(p.stderr)

    code, out, err = run()
    check(code == 1 and out == "" and "no benchmarks" in err, code, out, err)
    os.makedirs(f"{prefix}/libexec/weir")
    for name in ("one", "two"):
        path = f"{prefix}/libexec/weir/bench-{name}"
        with open(path, "w", encoding="utf-8") as f:
            f.write('#!/bin/sh\necho "$0" "$@"\nexit 9\n')
        os.chmod(path, 0o755)
    equal(run()[:2], (0, "one\ntwo\n"), "the list")
    equal(json.loads(run("-o", "json")[1]), {"cases": ["one", "two"]}, "the list as JSON")
    code, out, _ = run("two", "--json", "-n", "5", "--", "x y")
    check(code == 9 and out.split("/bench-")[1] == "two --json -n 5 -- x y\n", code, out)
    check(out.startswith(os.path.realpath(prefix)), out)
    code, _, err = run("three")
    check(code == 3 and "weir bench lists them" in err, code, err)


def links(_):
    """The command links the C library, libweir, what it draws with, and none of the peers."""
    found = subprocess.run(["readelf", "-d", WEIR], capture_output=True, check=True)
    needed = re.findall(r"\(NEEDED\).*\[([\w.+-]+)\]", text(found.stdout))
    allowed = re.compile(r"(libweir|libc|libm|libpthread|libncursesw|libtinfo|lib(?:a|t|ub)san|ld-linux.*)"
                         r"\.so.*")
    check(needed, "nothing needed?")
    for name in needed:
        check(allowed.fullmatch(name), "the command links", name)


def P7_conf(b):
    """What is set and where it is from; a file is checked by its lines; the example is whole."""
    code, out, err = b.run("conf")
    equal((code, err), (0, ""), "conf")
    check(re.search(r"^budget +2000  built in ", out, re.M), out)
    file = b.path("run.conf", b"# a run\nbudget = 500\n")
    env = {"WEIR_TIER_ESCALATION": "no"}
    code, out, err = b.run("conf", file, "-o", "json", env=env)
    equal((code, err), (0, ""), "conf FILE")
    settings = {s["name"]: s for s in json.loads(out)["settings"]}
    equal([settings["budget"][k] for k in ("value", "from", "where", "built_in", "variable")],
          [500, "the file", f"{file}:2", 2000, "WEIR_BUDGET"], "budget")
    equal([settings["tier_escalation"][k] for k in ("value", "from", "where")],
          [False, "the environment", "WEIR_TIER_ESCALATION"], "tier_escalation")
    equal([settings["cpu_threshold_ns"][k] for k in ("value", "from", "where")],
          [1000000, "built in", None], "cpu_threshold_ns")
    code, out, _ = b.run("conf", "-o", "jsonl", env={"WEIR_CONF": file})
    lines = [json.loads(line) for line in out.splitlines()]
    equal((code, [s["name"] for s in lines]), (0, list(settings)), "jsonl")
    equal(lines[0]["value"], 500, "WEIR_CONF")
    file = b.path("wrong.conf", b"budget = 500\nbudgte = 1\n")
    code, out, err = b.run("conf", file)
    equal((code, out), (2, ""), "a wrong file")
    check(f"{file}:2:" in err and "budgte" in err and "budget" in err, err)
    code, _, err = b.run("conf", b.path("none.conf"))
    check(code == 1 and "none.conf" in err, "no file:", code, err)
    code, _, err = b.run("pub", "a", "b", "--timeout", "1s", env={"WEIR_CONF": file})
    check(code == 2 and f"{file}:2:" in err, "a bus:", code, err)
    # The example names every setting, with what counts without it.
    with open(os.path.join(os.path.dirname(__file__), "../../conf/weir.conf.example"),
              encoding="utf-8") as f:
        example = f.read()
    for name, s in settings.items():
        value = str(s["built_in"]).lower()
        check(re.search(rf"^#{name} = {value}$", example, re.M), "the example lacks", name, value)
        check(s["variable"] in example, "the example lacks", s["variable"])
    file = b.path("example.conf", re.sub(r"(?m)^#(\w+ = )", r"\1", example).encode())
    code, out, err = b.run("conf", file, "-o", "json")
    equal(code, 0, err)
    for s in json.loads(out)["settings"]:
        equal((s["value"], s["from"]), (s["built_in"], "the file"), s["name"])


def manual(b):
    """weir.1 names every verb and every option, and is well formed."""
    folder = os.path.join(os.path.dirname(__file__), "../../docs/man")
    with open(f"{folder}/weir.1", encoding="utf-8") as f:
        page = f.read()
    for verb in VERBS:
        check(re.search(rf"^\.It Cm {verb}\b", page, re.M), "weir.1 lacks", verb)
        options = re.findall(r"^  (?:-\w, |    )--([\w-]+)", b.run("help", *verb.split())[1], re.M)
        check(len(options) >= 8, verb, options)
        for option in options:
            check(f"Fl Fl {option}" in page, f"weir.1 lacks --{option} of", verb)
    if shutil.which("mandoc"):
        for name in ("weir.1", "weir.7"):
            p = subprocess.run(["mandoc", "-Tlint", "-Wwarning", f"{folder}/{name}"],
                               capture_output=True, check=False)
            equal((p.returncode, text(p.stdout)), (0, ""), name)


def stdout(b):
    """What cannot be written is said; who stops reading is no error; -q is quiet."""
    with open("/dev/full", "wb") as full:
        code, _, err = b.run("errors", stdout=full)
    check(code == 1 and "No space left" in err, "/dev/full:", code, err)
    code, _, err = b.run("errors", stdout=None, preexec_fn=lambda: os.close(1))
    check(code == 1 and "could not write" in err, "closed stdout:", code, err)
    read, write = os.pipe()
    os.close(read)
    code, _, err = b.run("errors", stdout=write)
    os.close(write)
    check(code == 0 and err == "", "a reader that has gone:", code, err)
    code, out, err = b.run("clean", "-q")
    equal((code, out, err), (0, "", ""), "clean -q")


main({f.__name__: f for f in (usage, helps, errors, version, bench, links, P7_conf, manual,
                                   stdout)})
