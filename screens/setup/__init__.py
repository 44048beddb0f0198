"""The setup screen: model, task and options, or a former session to go on with.

What is chosen is checked here as far as words go; opening it is left to `screens.loading`, by way
of the messages in `screens.navigation`. Begin with `screen`.
"""
