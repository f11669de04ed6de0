#!/usr/bin/env python3
"""The report counts what a reader sees, and holds each explanation to what was really not run."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))
import report  # noqa: E402

PATH = "src/journal/a.cc"


def branch(source, condition, yes, no, nth=1, file=0, kind=report.BRANCH):
    """What llvm-cov says of the nth place where `condition` stands in `source`."""
    at = -1
    for _ in range(nth):
        at = source.index(condition, at + 1)
    line, column = source.count("\n", 0, at) + 1, at - source.rfind("\n", 0, at)
    return [line, column, line, column + len(condition), yes, no, file, 0, kind]


def coverage(source, *functions, path=PATH, folders=("src/journal",)):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / path).parent.mkdir(parents=True)
        (root / path).write_text(source)
        lines = {"count": 4, "covered": 3}
        export = {"data": [{
            "files": [{"filename": f"{root}/{path}", "summary": {"lines": lines}}],
            "functions": [{"filenames": [f"{root}/{path}"], "branches": branches}
                          for branches in functions]}]}
        return report.Coverage(export, root, folders)


def missed(source, *functions, **more):
    return [" | ".join(side) for _, side in coverage(source, *functions, **more).missed()]


class Missed(unittest.TestCase):
    SOURCE = "int f(int a) {\n  return a > 1 && a < 7 ? a : 0;\n}\n"

    def test_is_each_side_of_each_condition_by_its_text(self):
        found = missed(self.SOURCE, [branch(self.SOURCE, "a > 1", 3, 0),
                                     branch(self.SOURCE, "a < 7", 0, 3)])
        self.assertEqual(found, [f"{PATH} | f | no | a > 1", f"{PATH} | f | yes | a < 7"])

    def test_is_nothing_that_another_instance_of_a_template_ran(self):
        found = missed(self.SOURCE, [branch(self.SOURCE, "a > 1", 3, 0)],
                       [branch(self.SOURCE, "a > 1", 0, 2)])
        self.assertEqual(found, [])

    def test_has_a_name_that_stays_when_lines_move(self):
        moved = "// One more line.\n\n" + self.SOURCE
        self.assertEqual(missed(self.SOURCE, [branch(self.SOURCE, "a > 1", 3, 0)]),
                         missed(moved, [branch(moved, "a > 1", 3, 0)]))

    def test_joins_a_condition_of_several_lines(self):
        source = "void f() {\n  if (first(a,\n            b)) g();\n}\n"
        found = missed(source, [[2, 7, 3, 15, 0, 1, 0, 0, report.BRANCH]])
        self.assertEqual(found, [f"{PATH} | f | yes | first(a, b)"])

    def test_names_a_loop_over_a_range_by_its_head(self):
        source = "void f() {\n  for (auto x : all(1)) g(x);\n}\n"
        self.assertEqual(missed(source, [branch(source, ":", 0, 1)]),
                         [f"{PATH} | f | yes | for (auto x : all(1))"])

    def test_counts_a_label_once(self):
        source = "void f() {\n  switch (a) {\n    case 1:\n      g();\n  }\n}\n"
        found = missed(source, [branch(source, "case 1", 0, 0)])
        self.assertEqual(found, [f"{PATH} | f | yes | case 1"])

    def test_leaves_out_laws_canaries_and_what_the_compiler_decides(self):
        for line, condition in (("CHECK(a && b == 1);", "b == 1"), ("CHECK(h(a) &&\n  b);", "b"),
                                ("if (x || CANARY(lose)) g();", "x"), ("while (true) g();", "true"),
                                ("if constexpr (sizeof a > 1) g();", "sizeof a > 1"),
                                ("switch (a) { case 1: g(); }", "a")):
            with self.subTest(line):
                source = f"void f() {{\n  {line}\n}}\n"
                self.assertEqual(missed(source, [branch(source, condition, 0, 0)]), [])

    def test_leaves_out_the_whole_of_conditions_that_count_for_themselves(self):
        source = "void f() {\n  if (a(b && c) || (d && e)) g();\n}\n"
        self.assertEqual(missed(source, [branch(source, "a(b && c) || (d && e)", 0, 0)]), [])
        self.assertEqual(len(missed(source, [branch(source, "a(b && c)", 0, 0)])), 2)

    def test_leaves_out_other_folders_and_other_kinds_of_record(self):
        self.assertEqual(missed(self.SOURCE, [branch(self.SOURCE, "a > 1", 0, 0)],
                                folders=["src/journ"]), [])
        self.assertEqual(missed(self.SOURCE, [branch(self.SOURCE, "a > 1", 0, 0, kind=6)]), [])


class Explanations(unittest.TestCase):
    SOURCE = "int f(int a) {\n  if (a) g();\n  if (a) h();\n  return 0;\n}\n"
    LINE = f"  {PATH} | f | yes | a\n"

    def verdict(self, text):
        branches = [[line, 7, line, 8, 0, 2, 0, 0, report.BRANCH] for line in (2, 3)]
        explained, sometimes, wrong = report.read_explained(text)
        self.assertEqual(wrong, [])
        lines, whole = report.report(coverage(self.SOURCE, branches), explained, sometimes)
        return "\n".join(lines), whole

    def test_serve_one_branch_each(self):
        text, whole = self.verdict(f"Nobody calls it.\n{self.LINE}")
        self.assertFalse(whole)
        self.assertIn("neither run nor explained:\n" + self.LINE.rstrip() + "   (line 3)", text)
        self.assertTrue(self.verdict(f"Nobody calls it.\n{self.LINE * 2}")[1])

    def test_are_dead_when_the_branch_is_run_or_gone(self):
        text, whole = self.verdict(f"Nobody calls it.\n{self.LINE * 3}")
        self.assertFalse(whole)
        self.assertIn("and run or gone:\n" + self.LINE.rstrip(), text)

    def test_of_what_runs_sometimes_are_never_dead(self):
        self.assertTrue(self.verdict(f"Sometimes: as threads will.\n{self.LINE * 3}")[1])
        self.assertFalse(self.verdict(f"Sometimes: as threads will.\n{self.LINE}")[1])

    def test_have_a_reason_and_four_parts(self):
        for text in (self.LINE, "Why.\n  src/a.cc | f | yes\n", "Why.\n  a | f | maybe | x\n"):
            with self.subTest(text):
                self.assertEqual(len(report.read_explained(text)[2]), 1)

    def test_may_hold_the_sign_between_their_parts(self):
        explained, _, _ = report.read_explained("Why.\n  a | f | no | x | y\n")
        self.assertEqual(explained[report.Side("a", "f", "no", "x | y")], 1)


class Table(unittest.TestCase):
    def test_adds_up_files_and_folders(self):
        source = Missed.SOURCE
        lines = list(report.table(coverage(source, [branch(source, "a > 1", 3, 0)])))
        self.assertEqual(len(lines), 4)
        for line, name in zip(lines[1:], (PATH, "src/journal/", "together")):
            self.assertRegex(line, rf"^{name} +3 of +4 +75.0 % +1 of +2 +50.0 %$")


if __name__ == "__main__":
    unittest.main()
