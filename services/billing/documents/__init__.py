"""Files that billing writes for people and for their programs: invoices and cost exports."""
