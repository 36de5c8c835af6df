"""From what a network foretells to an output: greedy and beam search, drawing, and what else a search listens to."""
