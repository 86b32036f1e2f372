"""What users and programs read: documents as the contract fixes them, and their looks."""
