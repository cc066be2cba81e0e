"""How right rows are: gold rows, rows in pairs, scores, agreement, the page of errors."""
