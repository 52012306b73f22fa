"""The moving parts: worker, sender, clock, and the composition root."""
