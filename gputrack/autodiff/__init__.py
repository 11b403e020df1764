"""Gradients, Jacobians and forward-mode derivatives on top of autograd, and boxes for arrays in GPU memory."""
