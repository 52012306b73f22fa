"""The extra `sirdar[semantic]`: a sentence encoder on this machine, for messages that words alone do not decide."""

from bot.semantic.classifier import EncodedMeaning, SemanticClassifier, train
from bot.semantic.encoder import MissingExtraError, SentenceEncoder

__all__ = ["EncodedMeaning", "MissingExtraError", "SemanticClassifier", "SentenceEncoder", "train"]
