"""What flow authors use: reader, linter, simulator."""
