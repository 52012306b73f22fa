"""The pure heart: no clock, network, files, database or randomness."""
