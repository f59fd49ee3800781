"""The parser of ``phfs.commandline``, under the name by which this layer's modules know it."""

from phfs.commandline import Parser, UsageError, say, sentence_of

__all__ = ["Parser", "UsageError", "say", "sentence_of"]
