"""What diagrams/ shows, against what it is drawn of."""

import re
import unittest

from serverless_file import ROOT

STATES_PAGE = (ROOT / "docs" / "states.md").read_text()
STATES_DIAGRAM = (ROOT / "diagrams" / "states.dot").read_text()


class StatesDiagramTests(unittest.TestCase):
    """diagrams/states.dot has a box for one state of docs/states.md or for two, and a line for each thing that leads
    from one box to another."""

    def test_every_line_is_in_the_table_and_every_entry_of_the_table_is_a_line(self):
        box = {state: name for name, states in boxes().items() for state in states}
        self.assertEqual(sorted(box), sorted(table()))
        expected = {
            (box[state], event, box[result])
            for state, row in table().items() for event, result in row.items() if box[state] != box[result]
        }
        self.assertEqual(lines(), expected)

    def test_states_of_one_box_lead_to_the_same_boxes(self):
        """Or else the lines of the box say something that is true of one of them only."""
        box = {state: name for name, states in boxes().items() for state in states}
        for name, states in boxes().items():
            rows = [{event: box[result] for event, result in table()[state].items()} for state in states]
            self.assertEqual(rows, rows[:1] * len(rows), name)


def table():
    """{state: {event: state}}"""
    (heading, *rows) = re.findall(r"^\|(.*)\|$", STATES_PAGE, re.M)
    events = [cell.strip() for cell in heading.split("|")][4:]
    found = {}
    for row in rows:
        number, *cells = [cell.strip().strip("*") for cell in row.split("|")]
        if number.isdigit():
            found[int(number)] = {event: int(result) for event, result in zip(events, cells[3:]) if result}
    return found


def boxes():
    """{name: its states}"""
    found = re.findall(r'^ *(s\d+) \[label = "([\d, ]+)\\n', STATES_DIAGRAM, re.M)
    return {name: [int(number) for number in states.split(",")] for name, states in found}


def lines():
    """(from, event, to); the event is the comment that was last set for lines."""
    found, event = set(), None
    for line in STATES_DIAGRAM.splitlines():
        if named := re.search(r'edge \[comment = "([^"]+)"', line):
            event = named[1]
        elif ends := re.fullmatch(r" *(s\d+) -> (s\d+)", line):
            found.add((ends[1], event, ends[2]))
    return found


if __name__ == "__main__":
    unittest.main()
