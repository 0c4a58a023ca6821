"""Probes: one file for each way to ask whether something outside works, now; and what a blackbox exporter recorded."""
