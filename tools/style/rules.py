"""The rules as tables: what is forbidden where, why, and what to write instead.

check.py runs them. A rule that counts or looks at more than one place is a function there, and has
its line in STRUCTURAL here. Exceptions are lines of ratchet.txt, each with its reason.
"""

from dataclasses import dataclass

# What each folder of src/ may include besides itself: a folder, or single files of one.
# This is docs/ARCHITECTURE.md, "Layers and folders", made exact.
VOCABULARY = ("engine/command.h", "engine/options.h", "engine/statistics.h", "engine/names.h",
              "engine/topology.h", "engine/access.h", "engine/route_header.h", "engine/deaths.h",
              "engine/workflow.h", "engine/schedule.h", "engine/cause.h",
              "engine/worker.h", "engine/task_log.h")
LAYERS = {
    "base": (),
    "os": ("base",),
    "flow": ("base",),
    "wire": ("base",),
    "engine": ("base", "flow"),
    "net": ("base", "os"),
    "journal": ("base", "os"),
    "broker": ("base", "os", "flow", "engine", "journal"),
    "protocol": ("base", "flow", "wire", "broker", *VOCABULARY),
    "client": ("base", "os", "flow", "wire", "net"),
    "gateway": ("base", "os", "flow", "wire", "net", "broker", "protocol", *VOCABULARY),
    "task": ("base", "os", "flow", "wire", "broker", "client", "penstock", *VOCABULARY),
    "outbox": ("penstock",),
    "server": ("base", "os", "flow", "wire", "engine", "net", "journal", "broker", "protocol",
               "client", "gateway", "task", "penstock"),
    "cli": ("base", "os", "flow", "wire", "engine", "net", "journal", "broker", "protocol",
            "client", "gateway", "task", "server", "penstock"),
}

MAX_COLUMNS = 100
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 70
MAX_README_LINES = 60


@dataclass(frozen=True)
class Ban:
    """A pattern that may not occur in files under `inside`, those under `outside` excepted."""
    rule: str
    words: tuple  # a file that has none of these needs no closer look
    pattern: str
    why: str
    instead: str
    inside: tuple = ("src/", "include/", "sim/")
    outside: tuple = ()
    # "code": comments and strings blanked; "include": the path of each #include; "text": all of it.
    reads: str = "code"


ALL_CODE = ("src/", "include/", "sim/", "test/", "bench/", "fuzz/", "examples/")
EDGE = ("src/net/", "src/gateway/", "src/client/")

BANS = (
    Ban("sync", ("sync", "pwrite", "pread", "fallocate", "O_DIRECT"),
        r"\b(?:fsync|fdatasync|syncfs|sync_file_range|pwrite|pwritev2?|pread|preadv2?"
                r"|fallocate|posix_fallocate|O_DIRECT)\b",
        "files are reached through one seam, so that a simulator can stand in for the disk",
        "os/file.h", outside=("src/os/",)),
    Ban("clock", ("_clock", "gettimeofday", "time"),
        r"\b(?:steady_clock|system_clock|high_resolution_clock)::now\b"
        r"|\b(?:gettimeofday|clock_gettime)\s*\("
        r"|(?<![\w.>])(?:std::)?time\s*\(\s*(?:nullptr|NULL|0|&\w+)\s*\)",
        "time comes in as an object, so that a test or the simulator sets it",
        "Clock& of base/clock.h", outside=("src/os/",)),
    Ban("random", ("rand", "mt19937", "default_random_engine", "getentropy", "RAND_bytes"),
        r"\b(?:random_device|mt19937(?:_64)?|default_random_engine)\b"
        r"|(?<![\w.>])(?:s?rand|getrandom|getentropy|RAND_bytes)\s*\(",
        "randomness comes in as an object, so that one seed replays a run",
        "Random& of base/clock.h; for secrets secure_random of os/real_clock.h",
        outside=("src/os/",)),
    Ban("sleep", ("sleep",),
        r"\b(?:sleep_for|sleep_until|usleep|nanosleep)\b|(?<![\w.>:])sleep\s*\(",
        "a sleep stands where an event belongs, and makes tests slow or flaky",
        "wait for the event, or pass the time in", inside=(*ALL_CODE,),
        outside=("src/os/", "examples/")),
    Ban("regex", ("regex",),
        r"\bstd::(?:w?regex|basic_regex|regex_\w+)\b",
        "std::regex recurses per character: outside input can overflow the stack",
        "a hand-written matcher, or string_view::find", inside=ALL_CODE),
    Ban("printf", ("printf", "put", "std::c"),
        r"\b(?:v?(?:|f|s|sn)printf|f?puts|putchar)\s*\(|\bstd::(?:cout|cerr|clog)\b",
        "only the command line talks to the terminal, and C formats are not checked against limits",
        "fmt::format for text, spdlog for a log line, an Error for what went wrong",
        inside=("src/", "include/"), outside=("src/cli/",)),
    Ban("asio", ("asio",),
        r"^boost/asio(?:/|\.hpp)",
        "sockets stay at the edge: everything else is tested without one",
        "bytes in, bytes out; net, gateway and client own the socket",
        outside=EDGE, reads="include"),
    Ban("beast", ("beast",),
        r"^boost/beast(?:/|\.hpp)",
        "its headers are heavy and bring Asio along: only wire/http's .cc files parse with it",
        "the parser of wire/http", outside=EDGE, reads="include"),
    Ban("coroutine", ("co_",),
        r"\bco_(?:await|return|yield)\b",
        "a protocol or an engine that can suspend cannot be stepped, replayed or simulated",
        "a state machine: bytes and time in, an action out", outside=(*EDGE, "src/task/")),
    Ban("mutex", ("mutex",),
        r"\bstd::(?:(?:recursive|shared|timed|recursive_timed|shared_timed)_)?mutex\b",
        "every state has one writer; a lock says that somewhere it has two",
        "hand the work to the owner's thread; if there is no way, a line in ratchet.txt says why",
        inside=("src/", "include/")),
    Ban("assert", ("assert",),
        r"(?<!\w)assert\s*\(",
        "it vanishes in other people's release builds",
        "CHECK of base/check.h (never on outside input), or an Error", inside=ALL_CODE),
    Ban("using-namespace", ("namespace",),
        r"\busing\s+namespace\s+(?:::)?(?:std\s*;|boost\s*;)",
        "it pulls in thousands of names, and a new compiler adds more",
        "the qualified name, or one using-declaration", inside=ALL_CODE),
    Ban("todo", ("TODO", "FIXME", "XXX", "HACK"),
        r"\b(?:TODO|FIXME|XXX|HACK)\b",
        "unfinished work hides in the tree",
        "do it, or name the condition that brings it up: \"when X, do Y\"",
        inside=("",), outside=("tools/style/", "test/style/", "fuzz/corpus/"), reads="text"),
    Ban("machine-path", ("/home/", "/root/"),
        r"(?<![\w.\-/{}$)])/(?:home|root)/",
        "a path of one machine means nothing on another",
        "a path relative to the repository, or a temporary directory",
        inside=("",), outside=("tools/style/", "test/style/", "fuzz/corpus/"), reads="text"),
)

# rule -> (why, instead)
STRUCTURAL = {
    "layering": ("a folder may use only the layers that docs/ARCHITECTURE.md names for it",
                 "move the type down, or hand it in through an interface of the lower layer"),
    "columns": (f"more than {MAX_COLUMNS} columns", "make format, or a shorter sentence"),
    "file-length": (f"more than {MAX_FILE_LINES} lines cannot be read in one sitting",
                    "one operation, one file"),
    "function-length": (f"more than {MAX_FUNCTION_LINES} lines", "name its steps and call them"),
    "catch-all": ("catch (...) hides what went wrong", "catch a type, or rethrow with `throw;`"),
    "readme": (f"a folder of src/ says on one screen (at most {MAX_README_LINES} lines) what it is",
               "README.md: purpose, main types, what it must never include"),
    "pragma-once": ("a header included twice", "#pragma once as its first directive"),
    "dead-file": ("nothing includes this header", "include it or delete it"),
    "nodiscard": ("a Result that is dropped is an error that nobody sees",
                  "[[nodiscard]] Result<...> name(...)"),
    "ratchet": ("an exception that is no longer needed, or gives no reason",
                "tidy up tools/style/ratchet.txt"),
}
