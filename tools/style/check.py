#!/usr/bin/env python3
"""Style as a test: checks the tree against rules.py, in well under a second.

    tools/style/check.py [ROOT]

Prints "file:line: rule: what; why; instead: what to write" for each violation and exits 1 if there
is one. Exceptions live in ROOT/tools/style/ratchet.txt; numbers there may only go down.
"""

import bisect
import re
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from rules import (BANS, LAYERS, MAX_COLUMNS, MAX_FILE_LINES, MAX_FUNCTION_LINES,  # noqa: E402
                   MAX_README_LINES, STRUCTURAL)

CODE = (".cc", ".h", ".hpp")
HEADER = (".h", ".hpp")
MAX_TEXT_BYTES = 512 << 10  # beyond that it is data
LONG_LINES_MATTER = (*CODE, ".py", ".cmake", "CMakeLists.txt")

NOT_CODE = re.compile(
    r"""//[^\n]*
      | /\*.*?\*/
      | R"(?P<tag>[^()\s\\]{0,16})\(.*?\)(?P=tag)"
      | "(?:\\.|[^"\\\n])*"
      | (?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'""", re.S | re.X)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(["<])([^">\n]+)[">]', re.M)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.)*", re.M | re.S)
LAYER_CALL = re.compile(r"penstock_layer\(\s*(\w+)([^)]*)\)")
RESULT = re.compile(r"^[ \t]*(?:(?:virtual|static|inline|constexpr|friend)\s+)*"
                    r"(?:penstock::)?Result<[^;{}()=]*>\s+\w+\s*\(", re.M)
NOT_A_FUNCTION = re.compile(
    r"^\s*(?:template\s*<[^{}()]*>\s*)?(?:namespace|class|struct|union|enum)\b|=\s*$")
INITIALISER = re.compile(r"\)[^;]*?[^:]:\s[^;]*\w$")  # a constructor's "member_{value}"
CONTROL = re.compile(r"^\s*(?:if|for|while|switch|catch|do|else|try|return)\b")


def blank(match):
    """The same shape, without content: offsets and line numbers stay."""
    return re.sub(r"[^\n]", " ", match.group())


class File:
    """One file of the tree; what the rules ask of it is computed once."""

    def __init__(self, root, path):
        self.path = path
        self.text = (root / path).read_text(encoding="utf-8", errors="replace")
        self.is_code = path.endswith(CODE)
        self.is_header = path.endswith(HEADER)
        self.code = NOT_CODE.sub(blank, self.text) if self.is_code else ""
        self.includes = [(m.group(2), m.group(1), m.start(2))
                         for m in (INCLUDE.finditer(self.text) if self.is_code else ())
                         if "#" in self.code[m.start() : m.end()]]
        self._starts = None

    def line(self, offset):
        if self._starts is None:
            self._starts = [0] + [m.end() for m in re.finditer("\n", self.text)]
        return bisect.bisect_right(self._starts, offset)

    @property
    def lines(self):
        return self.text.count("\n") + (not self.text.endswith("\n"))

    def under(self, folders):
        return self.path.startswith(tuple(folders))

    @property
    def layer(self):
        parts = self.path.split("/")
        return parts[1] if parts[0] == "src" and len(parts) > 2 else None


class Ratchet:
    """The exceptions: "rule path limit # reason", the limit being a number or "-" for any."""

    def __init__(self, root):
        self.path = "tools/style/ratchet.txt"
        self.limits, self.used, self.malformed = {}, set(), []
        file = root / self.path
        for number, line in enumerate(file.read_text().splitlines() if file.exists() else (), 1):
            entry, _, reason = line.partition("#")
            fields = entry.split()
            if not fields:
                continue
            if len(fields) != 3 or not reason.strip() or not re.fullmatch(r"-|\d+", fields[2]):
                self.malformed.append((number, line))
                continue
            limit = float("inf") if fields[2] == "-" else int(fields[2])
            self.limits[fields[0], fields[1]] = (limit, number)

    def allows(self, rule, path, amount=0):
        limit, _ = self.limits.get((rule, path), (None, 0))
        if limit is None:
            return False
        self.used.add((rule, path))
        return amount <= limit


class Check:
    def __init__(self, root, paths):
        self.root = root
        self.ratchet = Ratchet(root)
        self.files = [File(root, path) for path in paths]
        self.violations = []

    def report(self, rule, path, line, what, amount=0, why=None, instead=None):
        if self.ratchet.allows(rule, path, amount):
            return
        reason, better = STRUCTURAL.get(rule, (why, instead))
        self.violations.append(
            (path, line, rule, f"{path}:{line}: {rule}: {what}; {why or reason};"
                               f" instead: {instead or better}"))

    def run(self):
        for file in self.files:
            self.bans(file)
            if file.path.endswith(LONG_LINES_MATTER):
                self.columns(file)
            if file.path.endswith("CMakeLists.txt"):
                self.declared_layers(file)
            if file.is_code:
                self.layering(file)
                self.length(file)
                self.functions(file)
                self.catch_all(file)
                self.header(file)
        self.readmes()
        self.dead_headers()
        self.stale_exceptions()
        return sorted(self.violations)

    def bans(self, file):
        for ban, pattern in COMPILED:
            if not file.under(ban.inside) or ban.outside and file.under(ban.outside):
                continue
            if ban.reads == "include":
                if ban.rule == "beast" and re.match(r"src/wire/http/.*\.cc$", file.path):
                    continue
                hits = [(at, name) for name, _, at in file.includes if pattern.search(name)]
            else:
                text = file.code if ban.reads == "code" else file.text
                if not any(word in text for word in ban.words):
                    continue
                hits = [(m.start(), m.group().strip()) for m in pattern.finditer(text)]
            for at, what in hits:
                self.report(ban.rule, file.path, file.line(at), what, why=ban.why,
                            instead=ban.instead)

    def columns(self, file):
        for number, line in enumerate(file.text.split("\n"), 1):
            if len(line) > MAX_COLUMNS:
                self.report("columns", file.path, number, f"{len(line)} columns")

    def layering(self, file):
        public = file.path.startswith("include/")
        if not public and file.layer is None:
            return
        allowed = ("penstock",) if public else (file.layer, *LAYERS.get(file.layer, ()))
        owner = "include/penstock" if public else f"src/{file.layer}"
        for name, quote, at in file.includes:
            folder = name.split("/")[0]
            ours = folder in LAYERS or folder == "penstock"
            if ours and folder not in allowed and name not in allowed:
                self.report("layering", file.path, file.line(at), f"{owner} includes {name}")
            elif not ours and quote == '"':
                self.report("layering", file.path, file.line(at), f'"{name}" names no layer',
                            instead='the path from src/, as in "base/bytes.h"')

    def declared_layers(self, file):
        for match in LAYER_CALL.finditer(file.text if file.path.startswith("src/") else ""):
            name, rest = match.groups()
            words = re.split(r"\bLINK\b", rest)[0].replace("DEPENDS", "").split()
            allowed = {entry.split("/")[0] for entry in LAYERS.get(name, ())}
            for word in sorted(set(words) - allowed):
                self.report("layering", file.path, file.line(match.start()),
                            f"src/{name} links {word}")

    def length(self, file):
        if file.lines > MAX_FILE_LINES:
            self.report("file-length", file.path, file.lines, f"{file.lines} lines", file.lines)

    def functions(self, file):
        for start, end, name in function_bodies(file.code):
            lines = file.line(end) - file.line(start) + 1
            if lines > MAX_FUNCTION_LINES:
                self.report("function-length", file.path, file.line(start),
                            f"{name} has {lines} lines", lines)

    def catch_all(self, file):
        for match in re.finditer(r"\bcatch\s*\(\s*\.\.\.\s*\)", file.code):
            body = file.code[match.end() : block_end(file.code, match.end())]
            if not re.search(r"\bthrow\s*;|\bcurrent_exception\s*\(|\bfatal\s*\(", body):
                self.report("catch-all", file.path, file.line(match.start()), "catch (...)")

    def header(self, file):
        if not file.is_header:
            return
        if not re.search(r"^#pragma once$", file.code, re.M):
            self.report("pragma-once", file.path, 1, "no #pragma once")
        for match in RESULT.finditer(file.code):
            end = re.search(r"[;{]", file.code[match.end() :])
            rest = file.code[match.end() : match.end() + end.start()] if end else ""
            before = file.code[: match.start()].rstrip()
            if before.endswith("[[nodiscard]]") or re.search(r"\b(?:override|final)\b", rest):
                continue
            at = match.end() - len(match.group().lstrip())
            self.report("nodiscard", file.path, file.line(at), match.group().strip() + "...)")

    def readmes(self):
        paths = {file.path: file for file in self.files}
        for layer in sorted({file.layer for file in self.files if file.is_code and file.layer}):
            readme = paths.get(f"src/{layer}/README.md")
            if readme is None:
                self.report("readme", f"src/{layer}/README.md", 1, "missing")
            elif readme.lines > MAX_README_LINES:
                self.report("readme", readme.path, readme.lines, f"{readme.lines} lines")

    def dead_headers(self):
        included = {name for file in self.files for name, _, _ in file.includes
                    if file.path != f"src/{name}"}
        for file in self.files:
            if file.is_header and file.layer and file.path.removeprefix("src/") not in included:
                self.report("dead-file", file.path, 1, "never included")

    def stale_exceptions(self):
        ratchet = self.ratchet
        for number, line in ratchet.malformed:
            self.report("ratchet", ratchet.path, number, f"cannot read: {line.strip()}",
                        instead="rule path limit # reason")
        for key, (_, number) in ratchet.limits.items():
            if key not in ratchet.used:
                self.report("ratchet", ratchet.path, number, " ".join(key))


COMPILED = [(ban, re.compile(ban.pattern)) for ban in BANS]
RULES = {ban.rule for ban in BANS} | set(STRUCTURAL)


def block_end(code, at):
    """The offset after the block that opens at or after `at`."""
    depth = 0
    for match in re.compile(r"[{}]").finditer(code, at):
        depth += 1 if match.group() == "{" else -1
        if depth <= 0:
            return match.end()
    return len(code)


def function_bodies(code):
    """Yields (start, end, name) of each outermost function: a brace after a parameter list."""
    code = DIRECTIVE.sub(blank, code)
    stop = re.compile(r"[{};]")
    head, depth, function = 0, 0, None
    match = stop.search(code)
    while match:
        at = match.start()
        if match.group() == "{":
            before = code[head:at]
            if function is None and INITIALISER.search(before):
                match = stop.search(code, block_end(code, at))
                continue
            if function is None and is_function(before):
                function = depth
                start = head + len(before) - len(before.lstrip())
                name = re.search(r"(\S+?)\s*\(", before).group(1)
            depth += 1
        elif match.group() == "}":
            depth -= 1
            if function is not None and depth <= function:
                yield start, at, name
                function = None
        head = match.end()
        match = stop.search(code, head)


def is_function(before):
    before = re.sub(r"^\s*(?:(?:public|private|protected)\s*:)", "", before)
    return (re.search(r"[^\s(]\s*\(", before) is not None and not NOT_A_FUNCTION.search(before)
            and not CONTROL.search(before))


def tree(root):
    """All files that are or may become part of the repository."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root,
            capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        listed = [str(path.relative_to(root)) for path in root.rglob("*")]
        listed = [path for path in listed if not path.startswith((".git/", "build/"))]
    return sorted({path for path in listed if path and is_text(root / path)})


def is_text(path):
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_TEXT_BYTES:
        return False
    if path.name.endswith(LONG_LINES_MATTER):
        return True
    with path.open("rb") as file:
        return b"\0" not in file.read(1024)


def check(root):
    return Check(root, tree(root)).run()


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]).resolve()
    violations = check(root)
    for *_, text in violations:
        print(text)
    if violations:
        print(f"{len(violations)} violations of the house style")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
