"""From a task's text to tokens: encoding, batches, task files, previews.

What a task is stands in the package `tasks`; what is run on the tokens in `experiment`. Begin with
`batch`.
"""
