"""Where the time of one read and of one small file goes, layer by layer, measured.

``__main__`` owns the command line.
"""
