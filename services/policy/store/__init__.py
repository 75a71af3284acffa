"""The only place that speaks SQL, a file for each thing that is kept."""
