"""Command line of Millrace."""
