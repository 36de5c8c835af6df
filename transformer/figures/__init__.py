"""Pure functions from parts of a trace to pictures, tables and files."""
