"""Sessions: commands, the state that they change, history, journal, views.

A session computes nothing itself: it asks `engine`, `readouts`, `discovery` and `assessment`, and
hands plain values to whoever shows them. Begin with `session`, then `commands` and `journal`.
"""
