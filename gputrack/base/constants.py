"""Physical constants (CODATA 2022) in the units used throughout: SI, energies in eV."""

SPEED_OF_LIGHT = 299_792_458.0  # m/s, exact
ELEMENTARY_CHARGE = 1.602_176_634e-19  # C, exact
VACUUM_PERMITTIVITY = 8.854_187_8188e-12  # F/m
ELECTRON_MASS = 0.510_998_950_69e6  # eV
MUON_MASS = 105.658_3755e6  # eV
PROTON_MASS = 938.272_089_43e6  # eV
ATOMIC_MASS = 931.494_103_72e6  # eV
