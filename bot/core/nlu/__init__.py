"""Which intent a message has, learnt from a few examples of each: offline, and in a fraction of a millisecond."""

from bot.core.nlu.classifier import ACT, OFFER, Classifier, Guess, Predict, train, train_argmax
from bot.core.nlu.reader import Mask

__all__ = ["ACT", "OFFER", "Classifier", "Guess", "Mask", "Predict", "train", "train_argmax"]
