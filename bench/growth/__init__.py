"""How a mount's cost grows with size, number and concurrency, and what its knobs bring.

Every topic is a module that measures real mounts of PHFS over a store of holes; ``__main__`` owns
the command line.
"""
