"""The theorem of Section 4.4, measured: expectations under Î_β against those under Iπ."""
