"""Stage 3: from report files to records that an analyst can open."""
