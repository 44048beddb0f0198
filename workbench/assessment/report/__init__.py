"""The report of an assessment: headlines, sections, plots, where the numbers are from.

Begin with `page`. The numbers come from `results`; nothing is computed here.
"""
