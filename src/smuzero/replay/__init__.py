"""Prioritised replay of the most recent sequences (Appendix A). Needs NumPy only."""
