//! Boot media: ISO 9660 with Rock Ridge and Joliet, El Torito, hybrid partition tables, GRUB images and boot-loader discovery.

pub mod grub;
pub mod loaders;
