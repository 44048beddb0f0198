"""The palette: everything that one can do or go to, found by typing words of it.

Begin with `screen`; what it lists comes from `entries`.
"""
