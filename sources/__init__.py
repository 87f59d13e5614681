"""Sources: Kafka topics and files, one poll to one batch."""
