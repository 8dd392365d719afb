"""The bytes of what moves: which pieces the other side lacks, and how they get there."""
