"""Small faults put into the code on purpose, to see which the tests notice."""
