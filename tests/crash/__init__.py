"""Crash tests: real processes are killed, frozen and stopped while people write, and nothing may get lost or doubled."""
