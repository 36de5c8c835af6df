"""How good a network is on texts and sounds that it never met, and how far it reaches."""
