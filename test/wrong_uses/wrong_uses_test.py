"""A wrong use of the library is refused by the compiler with a reason that a person can read.

Compiles wrong_uses.cc, whose comments are the reasons that are to be read for the line below them.
    wrong_uses_test.py <compiler> <wrong_uses.cc> <argument of the compiler>...
"""

import re
import subprocess
import sys


def wanted(source):
    """line -> the reason in the comment above it."""
    lines = source.splitlines()
    return {
        number + 2: line.strip()[3:]
        for number, line in enumerate(lines)
        if line.startswith("  // ")
    }


def given(output, name):
    """line -> the reasons for which it is refused, as GCC says them."""
    reasons, line = {}, None
    for text in output.splitlines():
        if place := re.search(re.escape(name) + r":(\d+):.*required from here", text):
            line = int(place[1])
        if why := re.search(r"error: static assertion failed: (penstock: .*)", text):
            reasons.setdefault(line, []).append(why[1])
    return reasons


def main(compiler, source, *arguments):
    with open(source, encoding="utf-8") as file:
        expected = wanted(file.read())
    result = subprocess.run(
        [compiler, *arguments, "-fsyntax-only", source], capture_output=True, text=True
    )
    if result.returncode == 0:
        sys.exit("it compiles")
    said = given(result.stderr, source)
    missing = [
        f"{source}:{line}: '{reason}' is not said, but {said.get(line, 'no reason of ours')}"
        for line, reason in expected.items()
        if not any(reason in one for one in said.get(line, []))
    ]
    print(f"{len(expected) - len(missing)} of {len(expected)} wrong uses are refused with a reason")
    if missing or not expected:
        sys.exit("\n".join(missing) + "\n\n" + result.stderr)


main(*sys.argv[1:])
