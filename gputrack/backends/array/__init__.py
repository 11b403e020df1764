"""Backend `array`: programs run by array mathematics (NumPy)."""
