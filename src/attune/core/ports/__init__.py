"""What the rest needs from the outside, as small protocols, one file a subject. `attune.testing` has a fake of each."""
