"""Skip-gram with negative samples, and the n-gram tutorial: embeddings, bmm, logsigmoid."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class SkipGram(nn.Module):
    def __init__(self, vocab, dim):
        super().__init__()
        self.center = nn.Embedding(vocab, dim)
        self.context = nn.Embedding(vocab, dim)

    def forward(self, center, positive, negative):
        v = self.center(center)
        u = self.context(positive)
        n = self.context(negative)
        score = torch.sum(v * u, dim=1)
        score = F.logsigmoid(torch.clamp(score, max=10, min=-10))
        neg_score = torch.bmm(n, v.unsqueeze(2)).squeeze()
        neg_score = torch.sum(F.logsigmoid(-torch.clamp(neg_score, -10, 10)), dim=1)
        return -torch.mean(score + neg_score)


class NGramLanguageModeler(nn.Module):
    def __init__(self, vocab_size, embedding_dim, context_size):
        super().__init__()
        self.embeddings = nn.Embedding(vocab_size, embedding_dim)
        self.linear1 = nn.Linear(context_size * embedding_dim, 16)
        self.linear2 = nn.Linear(16, vocab_size)

    def forward(self, inputs):
        embeds = self.embeddings(inputs).view((1, -1))
        out = F.relu(self.linear1(embeds))
        out = self.linear2(out)
        return F.log_softmax(out, dim=1)


def main(start, step):
    rng = np.random.default_rng(0)
    model = start(SkipGram(15, 6))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(4):
        c, p, n = (torch.LongTensor(rng.integers(0, 15, s)) for s in ((8,), (8,), (8, 3)))
        optimizer.zero_grad()
        loss = model(c, p, n)
        loss.backward()
        optimizer.step()
        step(loss)

    text = "we shall plant thee in a good place and we shall see thee grow".split()
    ngrams = [([text[i - j - 1] for j in range(2)], text[i]) for i in range(2, len(text))]
    word_to_ix = {word: i for i, word in enumerate(sorted(set(text)))}
    model = start(NGramLanguageModeler(len(word_to_ix), 5, 2))
    loss_function = nn.NLLLoss()
    optimizer = torch.optim.Adamax(model.parameters(), lr=0.01)
    total_loss = 0
    for context, target in ngrams[:5]:
        context_idxs = torch.tensor([word_to_ix[w] for w in context], dtype=torch.long)
        model.zero_grad()
        log_probs = model(context_idxs)
        loss = loss_function(log_probs, torch.tensor([word_to_ix[target]], dtype=torch.long))
        loss.backward()
        optimizer.step()
        total_loss += loss.item()
        step(loss)
    step.note(total_loss)
    step.note(F.cosine_similarity(model.embeddings.weight[:1], model.embeddings.weight))
