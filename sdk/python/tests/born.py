"""Puts descriptors at 3, 4, … as a coordinator does, and becomes the worker."""

import os
import sys

descriptors = [os.dup(int(each)) for each in sys.argv[1].split(",")]
# Above all numbers that are set below.
descriptors = [os.dup2(each, 100 + at) for at, each in enumerate(descriptors)]
for at, each in enumerate(descriptors):
    os.dup2(each, 3 + at, inheritable=True)
os.closerange(3 + len(descriptors), 256)
os.execvp(sys.argv[2], sys.argv[2:])
