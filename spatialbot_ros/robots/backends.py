"""How an arm makes joint speeds its own.

``velocity``: the robot's motion generator follows the speeds stiffly; a contact ends in a reflex.
``impedance``: joint positions that move at the speeds are held by springs in software; the arm
gives way, and how hard it can push is bounded.
"""

VELOCITY, IMPEDANCE = "velocity", "impedance"
BACKENDS = (VELOCITY, IMPEDANCE)
