"""Special functions: the Faddeeva function, the field of a Gaussian charge, and forms that stay smooth at 0/0."""
