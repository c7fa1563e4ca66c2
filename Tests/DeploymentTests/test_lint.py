"""cfn-lint over what is deployed: vpc.yml, and the stack of each flow that the tests look at."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from serverless_file import FLOWS, ROOT, Service, Stack, write

REGION = "eu-central-1"


class LintTests(unittest.TestCase):
    def test_cfn_lint_finds_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            files = [ROOT / "vpc.yml"]
            for name, given in FLOWS.items():
                # With its conditions decided: they compare literals, and cfn-lint says rightly that those never vary.
                files.append(pathlib.Path(folder) / f"{name}.json")
                write(Stack(Service(given=given).template()).template, files[-1])
            result = subprocess.run(
                [
                    pathlib.Path(sys.executable).with_name("cfn-lint"), "--regions", REGION, "--format", "json", "--",
                    *files,
                ], capture_output=True, text=True)
        faults = [
            f"{pathlib.Path(item['Filename']).name}: {item['Rule']['Id']} {item['Message']} at "
            + "/".join(map(str, item["Location"]["Path"] or []))
            for item in json.loads(result.stdout or "[]")
        ]
        self.assertEqual(faults, [])
        self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    unittest.main()
