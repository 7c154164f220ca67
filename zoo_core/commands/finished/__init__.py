"""Commands on runs that are finished: each reads run folders."""
