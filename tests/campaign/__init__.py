"""Fault injection: each fault is provoked many times, and violated guarantees are counted.

`make faults` runs all rows and updates the table in docs/reliability.md. The parent process imports torch once and
computes nothing. Each victim is a fork of it.
"""
