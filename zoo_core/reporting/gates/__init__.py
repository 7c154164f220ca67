"""Gates: what a figure must reach for a command to succeed; one vocabulary for all commands."""
