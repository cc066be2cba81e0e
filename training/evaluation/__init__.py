"""How good a model really is: scores of whole reports, their intervals, and what goes wrong.

``outcome`` asks the model once; every other module only counts what it answered.
"""
