"""`zoo tune`: searches for options that win back what a reduced precision loses."""
