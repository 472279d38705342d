"""Both sides of the comparison: made, run in turn, compared. Standard library only."""
