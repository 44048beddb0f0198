"""The assessment screen: how far the circuit can be trusted, question by question.

The answers are computed in `workbench.assessment` and kept by the session; here they become lines
(`text`) and figures (`plot`), one function a question. Begin with `screen`.
"""
