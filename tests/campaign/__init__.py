"""The campaign of faults: each is provoked on purpose, many times, and what was lost is counted.

`make faults` runs all of it and renews the table in docs/reliability.md. torch is imported once; every victim is a fork
of the process that imported it, and that process computes nothing itself.
"""
