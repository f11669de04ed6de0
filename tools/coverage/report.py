#!/usr/bin/env python3
"""Which branches of the source were run, and why the others were not.

    tools/coverage/report.py EXPORT FOLDER...

EXPORT is what `llvm-cov export -format=text` wrote; FOLDERs are those of src/ that count. Prints
lines and branches by folder and file; then, in the form that explained.txt takes, every side of a
condition that was not run and is not explained there, and every explanation that is no longer
needed. Exits 1 when there is one of either.

A branch is what a reader sees: the yes and the no of each condition, and each label of a switch.
However often templates and inline functions are compiled, they count once. A law (CHECK) is never
seen broken and a canary never active: those lines are left out.
"""

import bisect
import json
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parents[1] / "style"))
from check import NOT_CODE, blank, function_bodies  # noqa: E402

EXPLAINED = "tools/coverage/explained.txt"
LAW = re.compile(r"\bCHECK\(")
CANARY = re.compile(r"\bCANARY\(")
BRANCH = 4  # llvm-cov's number for a branch; the others describe MC/DC


class Side(NamedTuple):
    """One way out of a condition, named so that it is found again when lines have moved."""
    file: str
    function: str
    way: str  # yes or no
    condition: str

    def __str__(self):
        return "  " + " | ".join(self)


class Source:
    """One file, and what the report asks of it."""

    def __init__(self, text):
        self.text = text
        self.code = NOT_CODE.sub(blank, text)
        self.starts = [0] + [match.end() for match in re.finditer("\n", text)]
        self.functions = list(function_bodies(self.code))
        self.laws = [(match.start(), closing(self.code, match.end()))
                     for match in LAW.finditer(self.code)]

    def offset(self, line, column):
        return self.starts[line - 1] + column - 1

    def line_of(self, offset):
        return bisect.bisect(self.starts, offset)

    def function_at(self, offset):
        for start, end, name in self.functions:
            if start <= offset <= end:
                return name
        return "-"

    def condition(self, start, end):
        """Its text; of a loop over a range, which is only a colon, the head of the loop."""
        if self.code[start:end] == ":":
            start = self.code.rindex("for (", 0, start)
            end = closing(self.code, start + len("for ("))
        return " ".join(self.text[start:end].split())

    def is_counted(self, start, end):
        before = self.code[self.starts[self.line_of(start) - 1] : start]
        behind = self.code[start:].split("\n", 1)[0]
        if any(a <= start < b for a, b in self.laws) or CANARY.search(before + behind):
            return False
        if re.search(r"\bif constexpr \($", before) or self.code[start:end] in ("true", "false"):
            return False  # decided when it is compiled
        # What a switch does without a fitting label: the compiler sees to it that there is none.
        return not re.search(r"\bswitch \($", before) and not is_compound(self.code[start:end])


def is_compound(code):
    """Whether `code` joins conditions; each of them is counted for itself."""
    depth = 0
    for match in re.finditer(r"[([{]|[)\]}]|&&|\|\|", code):
        if match.group() in ("&&", "||"):
            if depth == 0:
                return True
        else:
            depth += 1 if match.group() in "([{" else -1
    return False


def closing(code, at):
    """The offset after the parenthesis that closes the one before `at`."""
    depth = 1
    for match in re.compile(r"[()]").finditer(code, at):
        depth += 1 if match.group() == "(" else -1
        if depth == 0:
            return match.end()
    return len(code)


class Coverage:
    """What ran, by file: lines as (all, run), and how often each side was taken."""

    def __init__(self, export, root, folders):
        self.root, self.folders = root, tuple(f"{folder.strip('/')}/" for folder in folders)
        self.sources, self.lines, self.sides = {}, {}, defaultdict(Counter)
        for data in export["data"]:
            for file in data["files"]:
                if path := self.counted(file["filename"]):
                    lines = file["summary"]["lines"]
                    self.lines[path] = (lines["count"], lines["covered"])
            for function in data["functions"]:
                for branch in function["branches"]:
                    self.add(function["filenames"], branch)

    def counted(self, filename):
        try:
            path = Path(filename).relative_to(self.root).as_posix()
        except ValueError:
            return None
        return path if self.counts(path) else None

    def counts(self, path):
        return path.startswith(self.folders)

    def add(self, filenames, branch):
        line, column, end_line, end_column, yes, no, file_id, _, kind = branch[:9]
        path = self.counted(filenames[file_id])
        if kind != BRANCH or not path:
            return
        source = self.source(path)
        span = source.offset(line, column), source.offset(end_line, end_column)
        if not source.is_counted(*span):
            return
        self.sides[path][(span, "yes")] += yes
        if not re.match(r"(case\b|default\b)", source.code[span[0] :]):
            self.sides[path][(span, "no")] += no

    def source(self, path):
        if path not in self.sources:
            self.sources[path] = Source((self.root / path).read_text(encoding="utf-8"))
        return self.sources[path]

    def missed(self):
        """Every side that was never taken: (line, Side), by file and line."""
        for path in sorted(self.sides):
            source = self.source(path)
            for ((start, end), way), count in sorted(self.sides[path].items()):
                if count == 0:
                    yield source.line_of(start), Side(path, source.function_at(start), way,
                                                      source.condition(start, end))

    def branches(self, path):
        return len(self.sides[path]), sum(count > 0 for count in self.sides[path].values())


def read_explained(text):
    """The sides that are explained, each as often as it is named; those of them that run sometimes,
    as threads will have it; and what cannot be read."""
    explained, sometimes, wrong, reason = Counter(), Counter(), [], ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#") or not line.strip():
            continue
        if not line.startswith(" "):
            reason = line
            continue
        parts = line.strip().split(" | ", 3)
        if len(parts) != 4 or parts[2] not in ("yes", "no") or not reason:
            wrong.append(f"{EXPLAINED}:{number}: wanted: a reason, and under it indented lines of "
                         "file | function | yes or no | condition")
        else:
            explained[Side(*parts)] += 1
            if reason.startswith("Sometimes"):
                sometimes[Side(*parts)] += 1
    return explained, sometimes, wrong


def percent(all_, run):
    return f"{run:6} of {all_:6} {100 * run / all_ if all_ else 100:6.1f} %"


def table(coverage):
    def add(a, b):
        return a[0] + b[0], a[1] + b[1]

    rows = {path: (coverage.lines.get(path, (0, 0)), coverage.branches(path))
            for path in sorted(coverage.lines | coverage.sides.keys())}
    yield f"{'':34}{'lines':>24}{'branches':>27}"
    for path, (lines, branches) in rows.items():
        yield f"{path:34} {percent(*lines):>25}  {percent(*branches):>25}"
    for folder in [*coverage.folders, ""]:
        lines, branches = (0, 0), (0, 0)
        for path, row in rows.items():
            if path.startswith(folder):
                lines, branches = add(lines, row[0]), add(branches, row[1])
        yield f"{folder or 'together':34} {percent(*lines):>25}  {percent(*branches):>25}"


def report(coverage, explained, sometimes):
    """The lines to print, and whether every branch is run or explained."""
    lines = list(table(coverage))
    left, unexplained, said = explained.copy(), [], 0
    for line, side in coverage.missed():
        if left[side] > 0:
            left[side] -= 1
            said += 1
        else:
            unexplained.append(f"{side}   (line {line})")
    dead = [str(side) for side in (left - sometimes).elements() if coverage.counts(side.file)]
    lines.append(f"not run: {said + len(unexplained)} branches; explained: {said}")
    if unexplained:
        lines += ["", "neither run nor explained:", *unexplained]
    if dead:
        lines += ["", f"explained in {EXPLAINED}, and run or gone:", *dead]
    return lines, not unexplained and not dead


def main():
    if len(sys.argv) < 3:
        sys.exit("usage: tools/coverage/report.py EXPORT FOLDER...")
    root = Path(__file__).resolve().parents[2]
    export = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    explained, sometimes, wrong = read_explained((root / EXPLAINED).read_text(encoding="utf-8"))
    coverage = Coverage(export, root, sys.argv[2:])
    lines, whole = report(coverage, explained, sometimes)
    print(*lines, *wrong, sep="\n")
    return 0 if whole and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
