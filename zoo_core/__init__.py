"""A plugin-based model zoo: from a source repository's weights to numbers that can be trusted."""
