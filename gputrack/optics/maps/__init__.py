"""Transfer maps of any order and derivatives of transfer matrices."""
