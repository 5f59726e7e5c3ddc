"""Text classification: EmbeddingBag with offsets, then a TransformerEncoder with padding masks."""

import numpy as np
import torch
from torch import nn


class TextClassificationModel(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_class):
        super().__init__()
        self.embedding = nn.EmbeddingBag(vocab_size, embed_dim, sparse=False)
        self.fc = nn.Linear(embed_dim, num_class)
        self.init_weights()

    def init_weights(self):
        initrange = 0.5
        self.embedding.weight.data.uniform_(-initrange, initrange)
        self.fc.weight.data.uniform_(-initrange, initrange)
        self.fc.bias.data.zero_()

    def forward(self, text, offsets):
        embedded = self.embedding(text, offsets)
        return self.fc(embedded)


class Encoder(nn.Module):
    def __init__(self, vocab, dim, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocab, dim, padding_idx=0)
        layer = nn.TransformerEncoderLayer(
            dim, nhead=2, dim_feedforward=16, dropout=0.0, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.out = nn.Linear(dim, classes)

    def forward(self, tokens):
        pad = tokens == 0
        h = self.encoder(self.embedding(tokens), src_key_padding_mask=pad)
        h = h.masked_fill(pad.unsqueeze(-1), 0.0)
        return self.out(h.sum(1) / (~pad).sum(1, keepdim=True))


def collate_batch(batch):
    label_list, text_list, offsets = [], [], [0]
    for _label, _text in batch:
        label_list.append(_label)
        processed_text = torch.tensor(_text, dtype=torch.int64)
        text_list.append(processed_text)
        offsets.append(processed_text.size(0))
    label_list = torch.tensor(label_list, dtype=torch.int64)
    offsets = torch.tensor(offsets[:-1]).cumsum(dim=0)
    text_list = torch.cat(text_list)
    return label_list, text_list, offsets


def main(start, step):
    rng = np.random.default_rng(0)
    texts = [
        (int(rng.integers(0, 4)), rng.integers(1, 20, int(rng.integers(2, 7))).tolist())
        for _ in range(16)
    ]
    loader = torch.utils.data.DataLoader(texts, batch_size=8, collate_fn=collate_batch)
    model = start(TextClassificationModel(20, 6, 4))
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=5)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1], gamma=0.1)
    for _ in range(2):
        for label, text, offsets in loader:
            optimizer.zero_grad()
            predicted_label = model(text, offsets)
            loss = criterion(predicted_label, label)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            optimizer.step()
            step(loss)
            step.note((predicted_label.argmax(1) == label).sum().item())
        scheduler.step()

    padded = nn.utils.rnn.pad_sequence(
        [torch.tensor(t) for _, t in texts], batch_first=True, padding_value=0
    )
    labels = torch.tensor([y for y, _ in texts])
    encoder = start(Encoder(20, 8, 4))
    optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-2)
    for i in range(3):
        loss = criterion(encoder(padded[i * 4 : i * 4 + 8]), labels[i * 4 : i * 4 + 8])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step(loss)
