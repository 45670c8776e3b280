//! Partition tables and file systems of disks: GPT, MBR, FAT.
