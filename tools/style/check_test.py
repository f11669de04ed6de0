#!/usr/bin/env python3
"""Every rule of the style test fires on what breaks it, and on nothing that only looks like it."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))
import check  # noqa: E402

ONCE = "#pragma once\n"


def violations(files):
    """The (rule, path, line) of each violation in a tree of these files."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        return [(rule, path, line) for path, line, rule, _ in check.check(root)]


def source(text, path="src/base/a.cc", **more):
    """The rules that `text` breaks as the file `path` of an otherwise clean tree."""
    files = {"src/base/README.md": "base\n", f"{Path(path).parent}/README.md": "x\n"}
    if path.startswith("src/"):
        files["/".join(path.split("/")[:2]) + "/README.md"] = "x\n"
    files[path] = text
    return sorted({rule for rule, *_ in violations({**files, **more})})


# rule: (path, text) that breaks it and nothing else
BROKEN = {
    "sync": ("src/journal/a.cc", "void f(int d) { ::fsync(d); }\n"),
    "clock": ("src/engine/a.cc", "auto t = std::chrono::steady_clock::now();\n"),
    "random": ("src/flow/a.cc", "std::random_device seed;\n"),
    "sleep": ("test/net/a_test.cc", "void f() { std::this_thread::sleep_for(1s); }\n"),
    "regex": ("src/wire/http/a.cc", "std::regex r;\n"),
    "printf": ("src/broker/a.cc", 'void f() { std::printf("x"); }\n'),
    "asio": ("src/protocol/a.cc", "#include <boost/asio/io_context.hpp>\n"),
    "beast": ("src/wire/http/a.h", ONCE + "#include <boost/beast/http.hpp>\n"),
    "coroutine": ("src/engine/a.cc", "void f() { co_await g(); }\n"),
    "mutex": ("src/broker/a.cc", "std::shared_mutex m;\n"),
    "assert": ("src/base/a.cc", "void f() { assert(true); }\n"),
    "using-namespace": ("test/base/a_test.cc", "using namespace std;\n"),
    "todo": ("docs/page.md", "TODO: write it\n"),
    "machine-path": ("tools/start", "cd /home/somebody\n"),
    "layering": ("src/wire/a.cc", '#include "broker/b.h"\n'),
    "columns": ("src/base/a.cc", "//" + "x" * 99 + "\n"),
    "file-length": ("src/base/a.cc", "\n" * 601),
    "function-length": ("src/base/a.cc", "int f(int a) {\n" + "  ++a;\n" * 69 + "}\n"),
    "catch-all": ("src/base/a.cc", "void f() {\n  try { g(); } catch (...) { h(); }\n}\n"),
    "pragma-once": ("test/base/a.h", "int f();\n"),
    "nodiscard": ("include/penstock/a.hpp", ONCE + "Result<void> f(int a);\n"),
}


class EveryRule(unittest.TestCase):
    def test_fires_alone_on_what_breaks_it(self):
        for rule, (path, text) in BROKEN.items():
            with self.subTest(rule):
                self.assertIn(rule, source(text, path))
                self.assertEqual(set(source(text, path)) - {"dead-file"}, {rule})

    def test_has_an_example_here(self):
        elsewhere = {"readme", "dead-file", "ratchet"}
        self.assertEqual(check.RULES, set(BROKEN) | elsewhere)

    def test_names_file_line_reason_and_replacement(self):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "src/base").mkdir(parents=True)
            (root / "src/base/README.md").write_text("base\n")
            (root / "src/base/a.cc").write_text("\nint f() { return ::fsync(1); }\n")
            (*_, text), = check.check(root)
        self.assertRegex(text, r"^src/base/a.cc:2: sync: fsync; .*simulator.*; instead: os/file.h$")


class Layers(unittest.TestCase):
    def test_may_use_what_their_line_names(self):
        text = '#include "engine/command.h"\n#include "wire/resp/a.h"\n#include <vector>\n'
        self.assertEqual(source(text, "src/protocol/resp/a.cc"), [])

    def test_see_only_the_vocabulary_of_the_engine_from_above_the_broker(self):
        self.assertEqual(source('#include "engine/queue.h"\n', "src/task/a.cc"), ["layering"])

    def test_may_not_reach_sideways(self):
        self.assertEqual(source('#include "journal/journal.h"\n', "src/client/a.cc"), ["layering"])

    def test_may_not_link_what_they_may_not_include(self):
        cmake = {"src/wire/CMakeLists.txt": "penstock_layer(wire DEPENDS base broker LINK z)\n"}
        self.assertEqual(source("", **cmake), ["layering"])
        cmake = {"src/wire/CMakeLists.txt": "penstock_layer(wire DEPENDS base LINK broker)\n"}
        self.assertEqual(source("", **cmake), [])

    def test_name_files_from_the_root_of_src(self):
        self.assertEqual(source('#include "bytes.h"\n'), ["layering"])

    def test_keep_their_insides_out_of_the_public_headers(self):
        header = ONCE + '#include "base/bytes.h"\n'
        self.assertEqual(source(header, "include/penstock/a.hpp"), ["layering"])


class WhatOnlyLooksLikeAViolation(unittest.TestCase):
    def test_is_left_alone_in_comments_and_strings(self):
        self.assertEqual(source('// fsync\n/* std::mutex\n assert(x) */\n'
                                'auto a = "fsync(1)"; auto b = R"x(std::regex "q" )x";\n'), [])

    def test_does_not_hide_behind_a_digit_separator(self):
        self.assertEqual(source("int a = 10'000; std::mutex b; int c = 20'000;\n"), ["mutex"])

    def test_is_allowed_where_it_belongs(self):
        for path, text in (("src/os/a.cc", "int a = ::fsync(1);\n"),
                           ("src/net/a.cc", "#include <boost/asio.hpp>\n"),
                           ("src/wire/http/a.cc", "#include <boost/beast/http.hpp>\n"),
                           ("src/task/a.cc", "void f() { co_return; }\n"),
                           ("src/base/a.cc", "static_assert(true);\nauto t = x.time(0);\n"),
                           ("docs/a.md", "GET /v1/home/take\n")):
            with self.subTest(path):
                self.assertEqual(source(text, path), [])

    def test_is_a_catch_that_passes_it_on(self):
        self.assertEqual(source("void f() {\n  try { g(); } catch (...) { h(); throw; }\n}\n"), [])

    def test_is_a_result_that_is_marked_or_overrides_one_that_is(self):
        self.assertEqual(source(ONCE + "[[nodiscard]] Result<int> f();\nstruct A : B {\n"
                                "  Result<int> g() override;\n  Result<int> member;\n};\n",
                                "test/base/a.h"), [])


class Functions(unittest.TestCase):
    def long(self, head):
        return head + " {\n" + "  ++a;\n" * 70 + "}\n"

    def test_are_found_in_all_their_forms(self):
        for head in ("A::A(int a) : b_(a), c_{a}", "auto f(int a) -> std::vector<int>",
                     "template <class T>\nT f(T a) const noexcept", "TEST(A, B)",
                     "bool operator==(const A& a, const A& b)", "void operator()(int a)",
                     "struct A {\n  int f()", "class A final {\n public:\n  A()",
                     "namespace a {\nint f()"):
            with self.subTest(head):
                tail = "}\n" if head.startswith(("struct", "class", "namespace")) else ""
                self.assertEqual(source(self.long(head) + tail), ["function-length"])

    def test_are_neither_classes_nor_tables_nor_macros(self):
        for text in (self.long("class A final : public B<int(int)>"), self.long("namespace a::b"),
                     "constexpr int kTable[] = {\n" + "  f(1),\n" * 80 + "};\n",
                     "#define F(x) \\\n  if (x) { \\\n  }\n" + "int a;\n" * 80):
            with self.subTest(text[:30]):
                self.assertEqual(source(text), [])


class Exceptions(unittest.TestCase):
    RATCHET = "tools/style/ratchet.txt"

    def test_allow_a_rule_for_a_file(self):
        line = "mutex src/base/a.cc - # a reason\n"
        self.assertEqual(source("std::mutex m;\n", **{self.RATCHET: line}), [])

    def test_hold_a_number_that_may_only_go_down(self):
        line = {self.RATCHET: "file-length src/base/a.cc 650 # a reason\n"}
        self.assertEqual(source("\n" * 650, **line), [])
        self.assertEqual(source("\n" * 651, **line), ["file-length"])

    def test_go_when_they_are_no_longer_needed(self):
        line = "mutex src/base/a.cc - # a reason\n"
        self.assertEqual(source("int a;\n", **{self.RATCHET: line}), ["ratchet"])

    def test_give_a_reason(self):
        line = "mutex src/base/a.cc -\n"
        self.assertEqual(source("std::mutex m;\n", **{self.RATCHET: line}), ["mutex", "ratchet"])


class Folders(unittest.TestCase):
    def test_have_a_readme_of_one_screen_once_they_have_code(self):
        self.assertEqual(violations({"src/os/a.cc": ""}), [("readme", "src/os/README.md", 1)])
        self.assertEqual(violations({"src/os/CMakeLists.txt": ""}), [])
        self.assertEqual(violations({"src/os/a.cc": "", "src/os/README.md": "\n" * 61}),
                         [("readme", "src/os/README.md", 61)])

    def test_hold_no_header_that_nothing_includes(self):
        header = {"src/base/b.h": ONCE}
        self.assertEqual(source("", **header), ["dead-file"])
        self.assertEqual(source('#include "base/b.h"\n', **header), [])


if __name__ == "__main__":
    unittest.main()
