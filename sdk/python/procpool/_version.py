"""The SDK's version, and the versions of the wire that it speaks."""

VERSION = "0.1.0"
SDK = f"procpool-python {VERSION}"

LOWEST_WIRE = HIGHEST_WIRE = 2
