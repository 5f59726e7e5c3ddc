"""A network of raw tensors after Karpathy's makemore: C, W1, b1; index writes; manual updates."""

import numpy as np
import torch
import torch.nn.functional as F


def main(start, step):
    rng = np.random.default_rng(0)
    n, block, emb, hidden = 9, 3, 4, 12

    def given(*shape):
        return torch.tensor(rng.normal(size=shape), dtype=torch.float32)

    C = given(n, emb)
    W1 = given(emb * block, hidden) * (5 / 3) / ((emb * block) ** 0.5)
    W2 = given(hidden, n) * 0.01
    b2 = given(n) * 0
    bngain = torch.ones((1, hidden))
    bnbias = torch.zeros((1, hidden))
    bnmean_running = torch.zeros((1, hidden))
    parameters = [C, W1, W2, b2, bngain, bnbias]
    for p in parameters:
        p.requires_grad = True
    start.tensors(*parameters)
    step.note(sum(p.nelement() for p in parameters))
    Xtr = torch.from_numpy(rng.integers(0, n, (60, block)))
    Ytr = torch.from_numpy(rng.integers(0, n, (60,)))
    lossi = []
    for i in range(6):
        ix = torch.from_numpy(rng.integers(0, Xtr.shape[0], (16,)))
        Xb, Yb = Xtr[ix], Ytr[ix]
        emb_ = C[Xb]
        embcat = emb_.view(emb_.shape[0], -1)
        hpreact = embcat @ W1
        bnmeani = hpreact.mean(0, keepdim=True)
        bnstdi = hpreact.std(0, keepdim=True)
        hpreact = bngain * (hpreact - bnmeani) / bnstdi + bnbias
        with torch.no_grad():
            bnmean_running = 0.999 * bnmean_running + 0.001 * bnmeani
        h = torch.tanh(hpreact)
        logits = h @ W2 + b2
        if i % 2:
            loss = F.cross_entropy(logits, Yb)
        else:  # by hand
            logits_ = logits - logits.max(1, keepdim=True).values
            counts = logits_.exp()
            probs = counts / counts.sum(1, keepdims=True)
            loss = -probs[range(len(Yb)), Yb].log().mean() + 0.01 * (W2**2).mean()
        for p in parameters:
            p.grad = None
        h.retain_grad()
        loss.backward()
        lr = 0.1 if i < 4 else 0.01
        for p in parameters:
            p.data += -lr * p.grad
        lossi.append(loss.log10().item())
        step(loss)
        step.note(h.grad)
    step.note(torch.tensor(lossi).view(-1, 2).mean(1))
    step.note(bnmean_running)
    xenc = F.one_hot(Xtr[:4, 0], num_classes=n).float()
    step.note(xenc @ W2.t()[:n, :n].T if hidden == n else xenc.sum(0))
    N = torch.zeros((n, n), dtype=torch.int32)
    for a, b in zip(Xtr[:, 0], Ytr):
        N[a, b] += 1
    P = (N + 1).float()
    P /= P.sum(1, keepdim=True)
    step.note(P)
