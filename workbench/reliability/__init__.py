"""Sound and faulty components: which prefer the right answer, and scaling those up.

`results` holds the plain values (no torch), `contributions` what each component says on each
prompt, `find` which are reliable and which harmful by that, `steering` scales the reliable ones up.
"""
