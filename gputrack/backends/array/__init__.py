"""Backend `array`: programs run by array mathematics in NumPy."""
