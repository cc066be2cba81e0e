"""How right the rows are: gold rows, what linking made of them, scores, agreement, the error page."""
