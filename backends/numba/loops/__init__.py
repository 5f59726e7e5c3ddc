"""What is compiled: loops over float32 arrays, a family a file.

They have no type hints: Numba reads the types off the arrays of the first call.
"""
