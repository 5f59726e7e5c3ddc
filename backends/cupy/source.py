"""source: CUDA C++ that several kernels share."""

from __future__ import annotations

#: ``wide<T>::type`` is what is computed in: double for double, float for all others.
WIDE = """
template <typename U> struct wide { typedef float type; };
template <> struct wide<double> { typedef double type; };
"""
