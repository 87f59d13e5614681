"""A plant, a broker and an ERP to try Millrace with, on one machine."""
