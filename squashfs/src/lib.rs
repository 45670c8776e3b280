//! A squashfs 4.0 writer on many threads, and a small reader.
