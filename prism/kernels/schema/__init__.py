"""The front end: a kernel's Python source becomes typed records, or is refused with its place."""
