"""`make demo`, without what it builds before: with the zips that are there."""

import json
import re
import subprocess
import sys
import unittest

from pages import blocks
from serverless_file import ROOT

LIMIT_SECONDS = 300
PROGRAMS = ("pull", "push", "pushRetry")
LEFT_OUT = "…"


@unittest.skipUnless(all((ROOT / "dist" / f"{name}.zip").exists() for name in PROGRAMS), "make package makes the zips")
class DemoTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.result = subprocess.run(
            [sys.executable, "-B", str(ROOT / "local" / "demo.py")], capture_output=True, text=True,
            timeout=LIMIT_SECONDS, stdin=subprocess.DEVNULL)

    def test_the_demo_says_what_the_readme_says(self):
        self.assertEqual(self.result.returncode, 0, self.result.stdout + self.result.stderr)
        (shown,) = [block for block in blocks("README.md") if "All 8 files are in S3" in block.text]
        rest = iter(self.result.stdout.splitlines())
        for line in shown.text.splitlines():
            if line.strip() != LEFT_OUT:
                # Each line is found behind the one before it.
                self.assertIn(line, rest)

    def test_pull_answers_what_the_page_says(self):
        (shown,) = [json.loads(block.text) for block in blocks("docs/how-it-works.md") if block.language == "json"]
        answers = re.findall(r"answered after [\d.]+ s: (\{.*\})", self.result.stdout)
        self.assertTrue(answers, self.result.stdout + self.result.stderr)
        answer = json.loads(answers[0])
        self.assertEqual(sorted(answer), sorted(shown))
        varying = {"durationMilliseconds"}
        self.assertEqual(
            {name: value for name, value in answer.items() if name not in varying},
            {name: value for name, value in shown.items() if name not in varying})


if __name__ == "__main__":
    unittest.main()
