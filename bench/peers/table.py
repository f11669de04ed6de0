"""Rows of figures with their ratios, as text for the terminal and as Markdown for the page."""

from dataclasses import dataclass, field
from statistics import median

BEGIN, END = "<!-- peers: generated -->", "<!-- peers: end -->"


@dataclass
class Row:
    group: str
    peer: str
    unit: str
    higher: bool  # whether more is better
    theirs: list = field(default_factory=list)  # one figure a round
    ours: list = field(default_factory=list)
    load: str = ""
    synced: bool = True  # whether their OK means what Penstock's does

    def name(self):
        return self.peer + ("" if self.synced else " †")

    def ratios(self):
        """Of each round; above 1 Penstock is the better one. Both ran within seconds."""
        pairs = zip(self.ours, self.theirs) if self.higher else zip(self.theirs, self.ours)
        return [a / b if b else float("inf") for a, b in pairs]

    def verdict(self):
        """"better", "worse", or "level" when the rounds do not agree."""
        ratios = self.ratios()
        if min(ratios) > 1:
            return "better"
        return "worse" if max(ratios) < 1 else "level"


def number(value):
    if value >= 10_000:  # three digits that mean something
        step = 10 ** (len(str(int(value))) - 3)
        return f"{round(value / step) * step:,}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def figure(values, show=number):
    """Median, and the range when there is more than one."""
    text = show(median(values))
    return text if len(values) == 1 else f"{text} ({show(min(values))}–{show(max(values))})"


def times(row):
    return figure(row.ratios(), lambda ratio: f"{ratio:.2f}×" if ratio < 10 else f"{ratio:.0f}×")


def groups(rows):
    found = {}
    for row in rows:
        found.setdefault(row.group, []).append(row)
    return found


def line(row):
    """One row for the terminal."""
    mark = {"better": " ", "level": "~", "worse": "-"}[row.verdict()]
    return (f"{mark} {row.group[:52]:52} {row.name()[:25]:25} {figure(row.theirs):>30} "
            f"{figure(row.ours):>30} {row.unit:3} {times(row)}")


def markdown(rows):
    parts = []
    for group, of_group in groups(rows).items():
        unit = {"/s": "each second"}.get(of_group[0].unit, of_group[0].unit)
        parts.append(f"### {group}\n\n| {unit} | theirs | Penstock | ratio |\n|---|---|---|---|")
        for row in of_group:
            mark = {"better": "", "level": " ~", "worse": " **worse**"}[row.verdict()]
            parts.append(f"| {row.name()} | {figure(row.theirs)} | {figure(row.ours)} "
                         f"| {times(row)}{mark} |")
        loads = [f"{row.peer}: {row.load}" for row in of_group if row.load]
        parts.append("" if not loads else "\n" + "  \n".join(loads) + "\n")
    return "\n".join(parts).strip() + "\n"


def replace_section(page, text):
    """The page with `text` between the markers."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks {BEGIN} or {END}")
    return f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}"
