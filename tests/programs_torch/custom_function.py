"""Custom autograd Functions after the tutorial: Legendre polynomial, straight-through, clamp."""

import math

import torch
from torch.autograd import Function


class LegendrePolynomial3(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return 0.5 * (5 * input**3 - 3 * input)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        return grad_output * 1.5 * (5 * input**2 - 1)


class RoundSTE(Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.scale = scale
        ctx.mark_non_differentiable()
        return torch.round(x * scale) / scale

    @staticmethod
    def backward(ctx, grad):
        return grad, None


class LinearFunction(Function):
    @staticmethod
    def forward(input, weight, bias):
        return input.mm(weight.t()) + bias.unsqueeze(0).expand(input.shape[0], -1)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, weight, bias = inputs
        ctx.save_for_backward(input, weight, bias)

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, bias = ctx.saved_tensors
        grad_input = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_input = grad_output.mm(weight)
        if ctx.needs_input_grad[1]:
            grad_weight = grad_output.t().mm(input)
        if ctx.needs_input_grad[2]:
            grad_bias = grad_output.sum(0)
        return grad_input, grad_weight, grad_bias


def main(start, step):
    dtype = torch.float
    device = torch.device("cpu")
    x = torch.linspace(-math.pi, math.pi, 50, device=device, dtype=dtype)
    y = torch.sin(x)
    a = torch.full((), 0.0, device=device, dtype=dtype, requires_grad=True)
    b = torch.full((), -1.0, device=device, dtype=dtype, requires_grad=True)
    c = torch.full((), 0.0, device=device, dtype=dtype, requires_grad=True)
    d = torch.full((), 0.3, device=device, dtype=dtype, requires_grad=True)
    start.tensors(a, b, c, d)
    learning_rate = 5e-6
    for _ in range(5):
        P3 = LegendrePolynomial3.apply
        y_pred = a + b * P3(c + d * x)
        loss = (y_pred - y).pow(2).sum()
        loss.backward()
        with torch.no_grad():
            a -= learning_rate * a.grad
            b -= learning_rate * b.grad
            c -= learning_rate * c.grad
            d -= learning_rate * d.grad
            step(loss)
            a.grad = None
            b.grad = None
            c.grad = None
            d.grad = None

    w = start.tensors(torch.linspace(-1, 1, 12).reshape(3, 4).requires_grad_())[0]
    bias = start.tensors(torch.zeros(3, requires_grad=True))[0]
    inputs = torch.arange(20.0).view(5, 4) / 10
    for _ in range(3):
        out = LinearFunction.apply(inputs, RoundSTE.apply(w, 4.0), bias)
        loss = (out - 1).abs().mean()
        loss.backward()
        with torch.no_grad():
            for p in (w, bias):
                p.sub_(0.1 * p.grad)
        step(loss)
        w.grad.zero_()
        bias.grad.zero_()
