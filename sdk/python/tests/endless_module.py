"""A module whose import never ends, and which has a child by then."""

import subprocess
import sys

child = subprocess.Popen(["sleep", "3600"], stderr=subprocess.DEVNULL)
sys.stderr.write(f"importing {child.pid}\n")
sys.stderr.flush()
while True:
    pass
