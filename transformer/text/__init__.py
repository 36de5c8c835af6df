"""Text to ids and back, and how a token is written for a person."""
