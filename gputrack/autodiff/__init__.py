"""Gradients, Jacobians and forward-mode derivatives, built on autograd; traced arrays in GPU memory."""
