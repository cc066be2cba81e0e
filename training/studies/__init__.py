"""Studies: many training runs of one kind, and what they say together.

``training.study`` is the program; each kind has a module here with its settings, its plan of
runs and its summary: folds, learning_curve, seeds, search, sweep.
"""
