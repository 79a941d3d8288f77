"""What Attune decides, as values and functions: no operating system, clock, network or async here."""
