"""What a task file holds, read: bytes to text, text to records, records to pairs.

Begin with `dialects`; what comes out of all of this is put together in `prompts.task_file`.
"""
