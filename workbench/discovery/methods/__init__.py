"""One file a method of discovery: each fills in findings, piece by piece.

`discovery.catalogue` lists them with their words and options; what the methods by gradients share
stands in `gradients`, what the searches share in `search`. Begin with `eap`.
"""
