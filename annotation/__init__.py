"""Stage 1: annotation. For now, the agreement of two taggings."""
