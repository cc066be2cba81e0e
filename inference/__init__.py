"""Stage 3: from report files to spans an analyst can open."""
