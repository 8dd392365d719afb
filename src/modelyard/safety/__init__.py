"""What makes a version safe to use: scans of its files, signatures over them, and the list of what it is made of. Knows files, digests and values."""
