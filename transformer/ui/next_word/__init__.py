"""Next word."""
