"""What the tables say of figures. Needs no peer."""

import unittest
from pathlib import Path

from .table import BEGIN, END, Row, figure, markdown, replace_section


class Table(unittest.TestCase):
    def test_a_ratio_above_one_means_that_penstock_is_better(self):
        self.assertEqual(Row("g", "p", "/s", True, [100], [250]).ratios(), [2.5])
        self.assertEqual(Row("g", "p", "µs", False, [100], [250]).ratios(), [0.4])

    def test_rounds_that_disagree_are_level(self):
        self.assertEqual(Row("g", "p", "/s", True, [100, 100], [90, 110]).verdict(), "level")
        self.assertEqual(Row("g", "p", "/s", True, [100, 100], [90, 99]).verdict(), "worse")
        self.assertEqual(Row("g", "p", "µs", False, [100, 100], [90, 99]).verdict(), "better")

    def test_a_figure_is_its_median_with_the_range(self):
        self.assertEqual(figure([3, 1, 2]), "2.00 (1.00–3.00)")
        self.assertEqual(figure([123_456]), "123,000")

    def test_bad_rows_are_in_the_table_and_marked(self):
        text = markdown([Row("Publish", "Redis", "/s", True, [300], [100], synced=False)])
        self.assertIn("| Redis † | 300 | 100 | 0.33× **worse** |", text)

    def test_only_what_lies_between_the_markers_is_replaced(self):
        page = f"above\n{BEGIN}\nold\n{END}\nbelow\n"
        self.assertEqual(replace_section(page, "new"), f"above\n{BEGIN}\n\nnew\n\n{END}\nbelow\n")
        with self.assertRaises(ValueError):
            replace_section("no markers", "new")

    def test_the_page_of_the_project_can_be_written(self):
        page = Path(__file__).parents[2] / "docs/benchmarks.md"
        self.assertIn("new figures", replace_section(page.read_text(), "new figures"))


if __name__ == "__main__":
    unittest.main()
