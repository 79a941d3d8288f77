"""The fleet as an index: the same answer as the matcher, faster for large fleets."""
