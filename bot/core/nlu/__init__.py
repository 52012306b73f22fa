"""Which intent a message has, learnt from a few examples of each: offline, and in a fraction of a millisecond."""

from bot.core.nlu.classifier import ACT, ASK_BELOW, OFFER, Classifier, Guess, Predict, train, train_argmax
from bot.core.nlu.reader import Mask, Meaning

__all__ = ["ACT", "ASK_BELOW", "OFFER", "Classifier", "Guess", "Mask", "Meaning", "Predict", "train", "train_argmax"]
