"""What an operator sees of a model's quality: measured, drawn, compared, attacked, let through."""
