"""Recurrent layers."""

from __future__ import annotations

OURS = dict.fromkeys(
    ("lstm", "lstm_backward", "gru", "gru_backward", "rnn", "rnn_backward"),
    "through anadrome.nn.LSTM, GRU and RNN, in tests/test_torch_recurrent.py",
)
