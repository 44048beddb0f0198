"""The tutorial: steps that ask for something to be done in the app and see whether it was.

`observation` says what is looked at, `steps` what is said, `checks` what is asked for and when it
is done; `tour` goes from one step to the next, `progress` keeps the place and `open` opens the
session that it is taken in. No Textual here, and no torch.
"""
