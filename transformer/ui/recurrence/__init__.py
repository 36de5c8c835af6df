"""Before attention."""
