"""Files of text and sound that networks learn from, are measured on, and are surveyed over."""
