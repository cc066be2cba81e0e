"""Parts of ``training.distil``: soft targets from a teacher, students, and their comparison."""
