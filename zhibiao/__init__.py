"""zhibiao（指标）: labelled entities from Chinese reports."""
