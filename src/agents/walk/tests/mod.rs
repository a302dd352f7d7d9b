//! Walks over records in memory.
