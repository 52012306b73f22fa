"""Crash tests: real processes are killed, frozen and stopped while people write. Nothing may be lost or doubled."""
