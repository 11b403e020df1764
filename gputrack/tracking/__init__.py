"""Tracking of beams: runs, monitors, losses, gradients of tracking, collisions of two beams."""
