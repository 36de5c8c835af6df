"""Instruments: what is changed in a network while it answers, and what becomes of the answer."""
