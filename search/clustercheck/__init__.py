"""Checks a cluster file before `ray up` does: Ray's own validation, then what it lets pass."""
