"""functional: stub"""
from ..ops.activation import softmax, log_softmax
