"""What several pages draw: heads and words as components, the chosen head with its numbers and files, the check."""
