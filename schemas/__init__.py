"""Contracts: Avro schemas, and all that derives from them."""
